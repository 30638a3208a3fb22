import { expect, test } from 'vitest';
import { median, result } from '../../bench/harness.js';

test('a ratio above 1 means that pageferry is better, whichever way the unit goes', () => {
  expect(result('scan/x', 'GB/s', 'higher', 6, { peer: 3 }).versus).toEqual([
    { peer: 'peer', value: 3, ratio: 2 },
  ]);
  expect(result('downtime/x', 'ms', 'lower', 3, { peer: 6 }).versus).toEqual([
    { peer: 'peer', value: 6, ratio: 2 },
  ]);
});

test('the median ignores outliers', () => {
  expect(median([5, 1, 900, 4, 3])).toBe(4);
});
