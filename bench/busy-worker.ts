// A guest on a thread of its own, which never rests while it may run. Says each time that it waits.
import { parentPort, workerData } from 'node:worker_threads';
import { type BusyThread, busyWord } from './busy-thread.js';
import { BusyWork } from './busy-work.js';

const { memory, control }: BusyThread = workerData;
const words = new Int32Array(control);
const work = new BusyWork(memory);
for (;;) {
  if (Atomics.load(words, busyWord.running) === 0) {
    parentPort?.postMessage('waiting');
    Atomics.wait(words, busyWord.running, 0);
  }
  work.piece();
  Atomics.add(words, busyWord.pieces, 1);
}
