import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Samples } from '../../src/migration/samples.js';

describe('samples', () => {
  it('have no quantile while there is none', () => {
    expect(new Samples(4).quantile(0.9)).toBeUndefined();
  });

  it('give the smallest value that the share does not exceed', () => {
    const samples = new Samples(100);
    for (let value = 10; value >= 1; value--) samples.add(value);
    expect(samples.count).toBe(10);
    expect([0, 0.1, 0.5, 0.9, 0.95, 1].map((share) => samples.quantile(share))).toEqual([
      1, 1, 5, 9, 10, 10,
    ]);
  });

  it('forget the oldest beyond what they keep', () => {
    const samples = new Samples(2);
    for (const value of [100, 1, 2]) samples.add(value);
    expect(samples.quantile(1)).toBe(2);
  });

  it('are what the newest values sorted anew would give', () => {
    const values = fc.array(fc.double({ noNaN: true, min: -3, max: 3 }), { maxLength: 60 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 32 }), (all, most) => {
        const samples = new Samples(most);
        for (const [index, value] of all.entries()) {
          samples.add(value);
          const kept = all.slice(Math.max(0, index + 1 - most), index + 1).sort((a, b) => a - b);
          expect(samples.count).toBe(kept.length);
          for (const share of [0, 0.25, 0.75, 1]) {
            const expected = kept[Math.max(0, Math.ceil(kept.length * share) - 1)] ?? Number.NaN;
            // Zero has two signs, and no order.
            expect((samples.quantile(share) ?? Number.NaN) + 0).toBe(expected + 0);
          }
        }
      }),
    );
  });
});
