import { expect, test } from 'vitest';
import { missesOf } from '../../bench/forecasts.js';

test('a miss is relative to what came', () => {
  const misses = missesOf(
    [
      { predicted: 50, actual: 100 },
      { predicted: 110, actual: 100 },
      { predicted: 600, actual: 200 },
    ],
    { percent: 30, slack: 3 },
  );
  expect(misses).toMatchObject({ medianPercent: 50, p90Percent: 200, median: 50, p90: 400 });
  expect(misses.near).toBeCloseTo(100 / 3, 6);
});

test('what is close enough as it is, is near however much that is of it', () => {
  const forecasts = [
    { predicted: 4, actual: 1.5 },
    { predicted: 5, actual: 1.5 },
  ];
  expect(missesOf(forecasts, { percent: 30, slack: 3 }).near).toBe(50);
  expect(missesOf(forecasts, { percent: 30, slack: 0 }).near).toBe(0);
});
