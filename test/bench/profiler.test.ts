import { expect, it } from 'vitest';
import { type Profile, Profiler, parts, sharesOf } from '../../bench/profiler.js';

const frame = (id: number, functionName: string, url = '') => ({
  id,
  callFrame: { functionName, url },
});
const profile: Profile = {
  nodes: [
    frame(1, '(idle)'),
    frame(2, 'writeBuffer'),
    frame(3, 'wasm-function[7]', 'wasm://wasm/0123'),
    frame(4, 'readPages', 'file:///src/memory/read-pages.js'),
    frame(5, 'anything', 'file:///src/migration/pump.js'),
  ],
  samples: [1, 2, 3, 3, 4, 5, 1],
  timeDeltas: [4000, 1000, 500, 500, 2000, 3000, 2000],
};

it('is told by part', () => {
  expect(sharesOf(profile)).toEqual({
    waiting: 6,
    'writing sockets': 1,
    'copying out of the guest': 2,
    'copying into the guest': 0,
    kernels: 1,
    'collecting garbage': 0,
    'JavaScript and the rest': 3,
  });
});

it('is taken of this thread', async () => {
  const profiler = await Profiler.start();
  const until = performance.now() + 20;
  while (performance.now() < until);
  const shares = await profiler.stop();
  expect(shares['JavaScript and the rest']).toBeGreaterThan(0);
  expect(Object.keys(shares)).toEqual([...parts]);
});
