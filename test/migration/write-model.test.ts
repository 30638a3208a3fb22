import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WriteModel, type Written } from '../../src/migration/write-model.js';

const look = (ms: number, pages: number, bytes?: number): Written => ({ ms, pages, bytes });

describe('the model of how a guest writes', () => {
  it('knows of nothing that was never written', () => {
    for (const looks of [[], [look(20, 0, 0), look(100, 0, 0)]]) {
      const model = new WriteModel(1000, looks);
      expect(model.pagesWithin(50)).toBe(0);
      expect(model.pagesWithin(1e6)).toBe(0);
      expect(model.bytesPerPage(50)).toBeUndefined();
    }
  });

  it('is what was seen, and straight between', () => {
    const model = new WriteModel(1000, [
      look(20, 10, 1000),
      look(40, 30, 3600),
      look(20, 20, 3000),
    ]);
    expect(model.pagesWithin(20)).toBe(15);
    expect(model.pagesWithin(10)).toBe(7.5);
    expect(model.pagesWithin(40)).toBe(30);
    expect(model.pagesWithin(30)).toBe(22.5);
    // Means of 100 and 150 bytes at 20 ms, 120 at 40, which is no reason to fall.
    expect(model.bytesPerPage(20)).toBe(125);
    expect(model.bytesPerPage(1)).toBe(125);
    expect(model.bytesPerPage(1e6)).toBe(125);
  });

  it('goes on as it ended, and never beyond all pages', () => {
    const straight = new WriteModel(1000, [look(10, 10), look(100, 100)]);
    expect(straight.pagesWithin(500)).toBeCloseTo(500, 6);
    expect(straight.pagesWithin(5000)).toBe(1000);
    const flat = new WriteModel(1000, [look(10, 50), look(40, 80), look(100, 80)]);
    expect(flat.pagesWithin(1e6)).toBeLessThan(1000);
    const flattest = new WriteModel(1000, [look(10, 80), look(40, 80), look(100, 80)]);
    expect(flattest.pagesWithin(1e6)).toBe(80);
  });

  it('comes close to pages hit at random, whatever the distances of the looks', () => {
    const distinct = (ms: number): number => 4096 * (1 - Math.exp((-2 * ms) / 4096));
    const looks = [20, 40, 80, 160, 320, 640, 1500, 3000].map((ms) => look(ms, distinct(ms)));
    const model = new WriteModel(4096, looks);
    for (const ms of [5, 30, 100, 1000, 4000, 8000]) {
      expect(model.pagesWithin(ms) / distinct(ms)).toBeGreaterThan(0.9);
      expect(model.pagesWithin(ms) / distinct(ms)).toBeLessThan(1.3);
    }
  });

  it('never falls with time and is always a number', () => {
    const looks = fc.array(
      fc.tuple(fc.double({ min: 1, max: 1e5, noNaN: true }), fc.nat(5000), fc.option(fc.nat(1e7))),
      { maxLength: 30 },
    );
    const times = fc.double({ min: 0, max: 1e7, noNaN: true });
    fc.assert(
      fc.property(looks, times, times, (seen, a, b) => {
        const model = new WriteModel(
          3000,
          seen.map(([ms, pages, bytes]) => look(ms, pages, bytes ?? undefined)),
        );
        const [early, late] = [Math.min(a, b), Math.max(a, b)].map((ms) => model.pagesWithin(ms));
        expect(early).toBeGreaterThanOrEqual(0);
        expect(late).toBeGreaterThanOrEqual((early ?? 0) - 1e-6);
        expect(late).toBeLessThanOrEqual(3000);
      }),
    );
  });
});
