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
});
