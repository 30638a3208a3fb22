// A program in another thread: writes its memory, marks after each store, counts its writes. Marks as src/memory/marks.ts documents.
import { parentPort, workerData } from 'node:worker_threads';

const { memory, length, marks, control } = workerData;
const words = new Int32Array(marks);
const bytes = new Uint8Array(memory, 0, length);
const state = new Int32Array(control);
let x = 12345;
const next = () => {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x >>> 0;
};

parentPort.postMessage('writing');
while (Atomics.load(state, 0) === 0) {
  const from = next() % bytes.length;
  const end = Math.min(from + 1 + (next() % 9000), length);
  bytes.fill(next(), from, end);
  for (let page = from >>> 12; page <= (end - 1) >>> 12; page++) {
    Atomics.or(words, page >>> 5, 1 << (page & 31));
  }
  Atomics.add(state, 1, 1);
}
parentPort.postMessage('stopped');
