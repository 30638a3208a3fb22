// One thread of the program: works, and stops only at the barrier.
import { parentPort, workerData } from 'node:worker_threads';

const { module, memory, words, closed, standing, thread, mapName } = workerData;
/** Pieces between two looks at the barrier. */
const pieces = 20;

const { exports } = await WebAssembly.instantiate(module, { env: { memory, abort() {} } });
parentPort.postMessage(mapName === undefined ? null : exports[mapName]);

for (;;) {
  if (Atomics.load(words, closed) === 1) {
    Atomics.add(words, standing, 1);
    Atomics.notify(words, standing);
    Atomics.wait(words, closed, 1);
    Atomics.sub(words, standing, 1);
  } else {
    for (let piece = 0; piece < pieces; piece++) exports.work(thread);
    // Leaves some of the processor to others; closing the barrier wakes it.
    Atomics.wait(words, closed, 0, 1);
  }
}
