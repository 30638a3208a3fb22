import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';

const bits = 300;
const words = Math.ceil(bits / 64);
const sets = fc.uniqueArray(fc.nat(bits - 1), { maxLength: bits });
const range = fc.tuple(fc.nat(bits), fc.nat(bits)).map(([a, b]) => ({
  first: Math.min(a, b),
  count: Math.abs(a - b),
}));

describe.each(builds)('bitmap kernels, $build build', ({ shared }) => {
  const arena = new Arena(4096, { shared });
  const { kernels } = arena;
  const bitmap = arena.alloc(words * 8);
  const other = arena.alloc(words * 8);
  const guard = arena.u64(arena.alloc(8), 1);

  function fill(address: number, members: Iterable<number>): void {
    arena.u64(address, words).fill(0n);
    for (const member of members) kernels.bitmapSet(address, member);
  }

  function read(address: number): number[] {
    const view = arena.u64(address, words);
    const found: number[] = [];
    for (let i = 0; i < words * 64; i++) {
      if (((view[i >> 6] ?? 0n) >> BigInt(i & 63)) & 1n) found.push(i);
    }
    return found;
  }

  const sorted = (members: Iterable<number>) => [...members].sort((a, b) => a - b);

  test('set says whether the bit was set before, and test agrees', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(bits - 1)), (indexes) => {
        fill(bitmap, []);
        const model = new Set<number>();
        for (const index of indexes) {
          expect(kernels.bitmapTest(bitmap, index)).toBe(Number(model.has(index)));
          expect(kernels.bitmapSet(bitmap, index)).toBe(Number(model.has(index)));
          model.add(index);
        }
        expect(read(bitmap)).toEqual(sorted(model));
      }),
    );
  });

  test('ranges are set and cleared to the bit', () => {
    fc.assert(
      fc.property(sets, range, fc.boolean(), (members, { first, count }, setting) => {
        fill(bitmap, members);
        const model = new Set(members);
        for (let i = first; i < first + count; i++) {
          if (setting) model.add(i);
          else model.delete(i);
        }
        if (setting) kernels.bitmapSetRange(bitmap, first, count);
        else kernels.bitmapClearRange(bitmap, first, count);
        expect(read(bitmap)).toEqual(sorted(model));
        expect(guard[0]).toBe(0n);
      }),
    );
  });

  test('count counts the first bits only', () => {
    fc.assert(
      fc.property(sets, fc.nat(bits), (members, first) => {
        fill(bitmap, members);
        expect(kernels.bitmapCount(bitmap, first)).toBe(members.filter((i) => i < first).length);
      }),
    );
  });

  test('runs come in order and cover every set bit once', () => {
    fc.assert(
      fc.property(sets, range, fc.nat(bits), (members, { first, count }, end) => {
        fill(bitmap, members);
        kernels.bitmapSetRange(bitmap, first, count);
        const expected = read(bitmap).filter((i) => i < end);
        const found: number[] = [];
        let at = 0;
        for (;;) {
          const start = kernels.bitmapNextSet(bitmap, end, at);
          if (start === end) break;
          const length = kernels.bitmapNextClear(bitmap, end, start) - start;
          expect(length).toBeGreaterThan(0);
          expect(start === 0 || start === at || kernels.bitmapTest(bitmap, start - 1) === 0).toBe(
            true,
          );
          for (let i = 0; i < length; i++) found.push(start + i);
          at = start + length;
        }
        expect(found).toEqual(expected);
      }),
    );
  });

  test('fetch-and-clear moves every mark and leaves none', () => {
    fc.assert(
      fc.property(sets, sets, (from, into) => {
        fill(bitmap, from);
        fill(other, into);
        expect(kernels.bitmapFetchClear(bitmap, other, words)).toBe(from.length);
        expect(read(bitmap)).toEqual([]);
        expect(read(other)).toEqual(sorted(new Set([...from, ...into])));
      }),
    );
  });
});
