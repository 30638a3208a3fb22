// The engine on a thread of its own, for a guest that runs on the thread that started this one, in memory that both see. Says where the marks
// are, when the guest has to stop, for which it waits, and when it has moved.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { bufferGuest } from '../src/index.js';
import type { BusyEngine } from './busy-thread.js';
import { transfer } from './transfer.js';

const { memory }: BusyEngine = workerData;
if (parentPort === null) throw new Error('this is no worker');
const parent = parentPort;
const guest = bufferGuest(memory, {
  tracker: 'marks',
  async pause() {
    const stopped = once(parent, 'message');
    parent.postMessage({ says: 'stop' });
    await stopped;
  },
});
parent.postMessage({ says: 'marks', marks: guest.marks });
const [port] = await once(parent, 'message');
await transfer(guest, { port });
parent.postMessage({ says: 'moved' });
