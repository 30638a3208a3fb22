import fc from 'fast-check';
import { expect, test } from 'vitest';
import { percentile } from '../../bench/percentile.js';

test('a percentile is a value, and at least its share of the values do not exceed it', () => {
  const values = fc.array(fc.double({ noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
      const found = percentile(all, share);
      expect(all).toContain(found);
      const within = all.filter((value) => value <= found).length;
      expect(within / all.length).toBeGreaterThanOrEqual(share);
      const below = all.filter((value) => value < found).length;
      expect(below).toBeLessThan(Math.max(1, share * all.length));
    }),
  );
});

test('of a hundred the 99th is the last but one, and of none it is no number', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile([], 0.5)).toBeNaN();
});
