import { expect, test } from 'vitest';
import { median, ofRounds, result } from '../../bench/harness.js';

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

test('a ratio is the median of the ratios within each round', () => {
  const slowRound = ofRounds('scan/x', 'GB/s', 'higher', [6, 1, 6], { peer: [3, 0.5, 2] });
  expect(slowRound).toEqual({
    name: 'scan/x',
    unit: 'GB/s',
    value: 6,
    versus: [{ peer: 'peer', value: 2, ratio: 2 }],
  });
  expect(ofRounds('x', 'ms', 'lower', [2, 4], { peer: [6, 8] }).versus[0]?.ratio).toBe(3);
});
