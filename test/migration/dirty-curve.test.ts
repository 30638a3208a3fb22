import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DirtyCurve } from '../../src/migration/dirty-curve.js';

/** Different pages that so many writes, evenly spread over `workingSet` pages, hit. */
function distinct(workingSet: number, writes: number): number {
  return workingSet * (1 - Math.exp(-writes / workingSet));
}

describe('the curve of different pages written', () => {
  it('is a straight line while nothing says that it bends', () => {
    const curve = new DirtyCurve();
    expect(curve.isKnown).toBe(false);
    expect(curve.expected(100)).toBe(0);
    curve.learn(100, 500);
    expect(curve.isKnown).toBe(true);
    expect(curve.expected(10)).toBeGreaterThan(49.5);
    expect(curve.expected(10)).toBeLessThan(50.5);
    expect(curve.expected(200)).toBeGreaterThan(990);
  });

  it('flattens where the same pages are written again and again', () => {
    const curve = new DirtyCurve();
    // A thousand pages, 10 writes a millisecond.
    for (const ms of [2000, 400, 100, 40, 20]) curve.learn(ms, distinct(1000, 10 * ms));
    for (const ms of [20, 60, 200, 1000]) {
      const share = curve.expected(ms) / distinct(1000, 10 * ms);
      expect(share, `${ms} ms`).toBeGreaterThan(0.8);
      expect(share, `${ms} ms`).toBeLessThan(1.25);
    }
    expect(curve.expected(100_000)).toBeLessThan(1500);
  });

  it('believes the newest rounds most', () => {
    const curve = new DirtyCurve();
    for (let round = 0; round < 10; round++) curve.learn(20, 1000);
    for (let round = 0; round < 6; round++) curve.learn(20, 10);
    expect(curve.expected(20)).toBeLessThan(80);
  });

  it('expects the mean of what comes and goes', () => {
    const curve = new DirtyCurve();
    for (let round = 0; round < 16; round++) curve.learn(20, round % 2 === 0 ? 0 : 100);
    expect(curve.expected(20)).toBeGreaterThan(30);
    expect(curve.expected(20)).toBeLessThan(70);
  });

  it('never falls with time, is never negative and always a number', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.nat(1 << 24)), {
          maxLength: 40,
        }),
        fc.double({ min: 0.001, max: 1e6, noNaN: true }),
        (points, ms) => {
          const curve = new DirtyCurve();
          for (const [duration, pages] of points) curve.learn(duration, pages);
          const now = curve.expected(ms);
          expect(now).toBeGreaterThanOrEqual(0);
          expect(curve.expected(2 * ms)).toBeGreaterThanOrEqual(now);
        },
      ),
    );
  });
});
