// The program stays on the main thread; the whole engine that moves its memory runs on a worker thread, and says when the program has to stop.
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { bufferGuest, listen, migrate, RegionMarks } from 'pageferry';

const byteLength = 16 * 2 ** 20;

/** On the worker: the guest is the shared memory, and its pause a question to the main thread. */
async function engine({ memory, port }) {
  const guest = bufferGuest(memory, {
    tracker: 'marks',
    async pause() {
      const stopped = once(parentPort, 'message');
      parentPort.postMessage('stop');
      await stopped;
    },
  });
  parentPort.postMessage(guest.marks);
  const { rounds, downtimeMs } = await migrate(guest, { host: '127.0.0.1', port }).done;
  parentPort.postMessage({ rounds, downtimeMs });
  // Whoever waits for messages keeps a thread alive.
  parentPort.close();
}

async function program() {
  const memory = new SharedArrayBuffer(byteLength);
  const cells = new Int32Array(memory);
  const arrived = new Int32Array(byteLength / 4);
  const listener = await listen({ accept: () => bufferGuest(arrived.buffer, { fresh: true }) });
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { memory, port: listener.port },
  });
  const [layout] = await once(worker, 'message');
  const marks = new RegionMarks(layout);
  let isAsked = false;
  worker.once('message', () => {
    isAsked = true;
  });
  while (!isAsked) {
    const cell = (cells[0] * 7919) % cells.length;
    cells[cell] += 1;
    marks.mark(4 * cell, 4);
    cells[0] += 1;
    marks.mark(0, 4);
    if (cells[0] % 100 === 0) await nextTurn();
  }
  const moved = once(worker, 'message');
  worker.postMessage('stopped');
  const [{ rounds, downtimeMs }] = await moved;
  await listener.close();
  const ok = cells[0] > 0 && Buffer.compare(Buffer.from(memory), Buffer.from(arrived.buffer)) === 0;
  console.log(
    `${ok ? 'moved' : 'FAILED:'} what ${cells[0]} steps wrote, by an engine on another thread; ${rounds} rounds, paused ${downtimeMs.toFixed(1)} ms`,
  );
  if (!ok) process.exitCode = 1;
}

if (isMainThread) await program();
else await engine(workerData);
