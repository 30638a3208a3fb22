import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { compileOnce } from '../../src/core/wasm-module.js';

/** Sets random bits, and ranges, as fast as it can; answers with how often a bit that was clear got set. */
const marker = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { memory, module, bitmap, bits, marks } = workerData;
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports;
  let state = 1, set = 0;
  for (let i = 0; i < marks; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (kernels.bitmapSet(bitmap, (state >>> 8) % bits) === 0) set++;
  }
  parentPort.postMessage(set);
`;

test('no mark is lost or doubled while another thread keeps marking', async () => {
  const bits = 256;
  const words = bits / 64;
  const arena = new Arena(4096, { shared: true });
  const { kernels, memory } = arena;
  const bitmap = arena.alloc(words * 8);
  const into = arena.alloc(words * 8);
  const module = compileOnce('sharedKernels');
  const worker = new Worker(marker, {
    eval: true,
    workerData: { memory, module, bitmap, bits, marks: 3_000_000 },
  });
  let set: number | undefined;
  const done = once(worker, 'message').then(([count]) => {
    set = Number(count);
  });
  let moved = 0;
  while (set === undefined) {
    for (let i = 0; i < 10_000; i++) moved += kernels.bitmapFetchClear(bitmap, into, words);
    await new Promise(setImmediate);
  }
  await done;
  moved += kernels.bitmapFetchClear(bitmap, into, words);
  expect(moved).toBe(set);
  await worker.terminate();
});
