import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { FerryError } from '../../src/errors.js';
import { AreaPool, areaClass } from '../../src/memory/area-pool.js';
import { splitShadow } from '../../src/memory/shadow-split.js';

describe('an area pool', () => {
  test('hands out again what was given back, zeroed', () => {
    const arena = new Arena(3 * 65536);
    const pool = new AreaPool(arena);
    for (let round = 0; round < 20; round++) {
      const address = pool.take(50_000);
      expect(address % 4096).toBe(0);
      expect(arena.bytes(address, 50_000).every((byte) => byte === 0)).toBe(true);
      arena.bytes(address, 50_000).fill(7);
      pool.give(address, 50_000);
    }
  });

  test('says ERR_NO_CAPACITY when the arena is full', () => {
    const pool = new AreaPool(new Arena(65536));
    expect(() => pool.take(1 << 20)).toThrow(FerryError);
  });

  test('sets aside at least what was asked for', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), (bytes) => {
        expect(areaClass(bytes)).toBeGreaterThanOrEqual(bytes);
      }),
    );
  });
});

describe('the shadow budget', () => {
  test('covers whole regions where it can', () => {
    const needs = [
      { pageCount: 10, capacityPages: 10 },
      { pageCount: 5, capacityPages: 700 },
    ];
    expect(splitShadow(needs, 1000, 256)).toEqual([10, 700]);
  });

  test('goes to pages that exist before room to grow', () => {
    const needs = [
      { pageCount: 4096, capacityPages: 1_048_576 },
      { pageCount: 25_600, capacityPages: 25_600 },
    ];
    expect(splitShadow(needs, 65_536, 256)).toEqual([39_936, 25_600]);
  });

  test('is split in proportion where it does not cover what exists', () => {
    const needs = [
      { pageCount: 3000, capacityPages: 3000 },
      { pageCount: 1000, capacityPages: 1000 },
    ];
    expect(splitShadow(needs, 2048, 256)).toEqual([1536, 512]);
  });

  test('is never exceeded, nor a region over-covered, nor a window cut', () => {
    const need = fc
      .tuple(fc.nat(5000), fc.nat(5000))
      .map(([pageCount, room]) => ({ pageCount, capacityPages: pageCount + room }));
    fc.assert(
      fc.property(fc.array(need, { maxLength: 6 }), fc.nat(20_000), (needs, budget) => {
        const shares = splitShadow(needs, budget, 256);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(budget);
        shares.forEach((share, index) => {
          const capacity = needs[index]?.capacityPages ?? 0;
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share <= capacity && (share === capacity || share % 256 === 0)).toBe(true);
        });
      }),
    );
  });
});
