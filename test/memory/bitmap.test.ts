import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { DirtyBitmap } from '../../src/memory/bitmap.js';

function bitsOf(bitmap: DirtyBitmap, limit: number = bitmap.bits): number[] {
  return [...bitmap.runs(limit)].flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, index) => first + index),
  );
}

const size = 300;
const range = fc
  .tuple(fc.nat(size), fc.nat(size))
  .map(([a, b]) => ({ first: Math.min(a, b), count: Math.abs(a - b) }));
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), index: fc.nat(size - 1) }),
  fc.record({ do: fc.constant('clear' as const), index: fc.nat(size - 1) }),
  fc.record({ do: fc.constant('setRange' as const), range }),
  fc.record({ do: fc.constant('clearRange' as const), range }),
  fc.record({ do: fc.constant('clearAll' as const) }),
);

describe('a bitmap', () => {
  test('holds after any steps what a set of numbers would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.nat(size), (steps, limit) => {
        const bitmap = DirtyBitmap.create(size);
        const twin = new Set<number>();
        for (const each of steps) {
          if (each.do === 'set') {
            expect(bitmap.set(each.index)).toBe(twin.has(each.index));
            twin.add(each.index);
          } else if (each.do === 'clear') {
            bitmap.clear(each.index);
            twin.delete(each.index);
          } else if (each.do === 'clearAll') {
            bitmap.clearAll();
            twin.clear();
          } else {
            const { first, count } = each.range;
            bitmap[each.do](first, count);
            for (let index = first; index < first + count; index++) {
              if (each.do === 'setRange') twin.add(index);
              else twin.delete(index);
            }
          }
        }
        const expected = [...twin].sort((a, b) => a - b);
        expect(bitsOf(bitmap)).toEqual(expected);
        expect(bitmap.count()).toBe(twin.size);
        expect(bitsOf(bitmap, limit)).toEqual(expected.filter((index) => index < limit));
        expect(bitmap.count(limit)).toBe(expected.filter((index) => index < limit).length);
        expect(bitmap.next(limit)).toBe(expected.find((index) => index >= limit) ?? size);
        for (let index = 0; index < size; index++) expect(bitmap.test(index)).toBe(twin.has(index));
      }),
    );
  });

  test.each(['one arena', 'two arenas'])(
    'takes all marks of another, which is empty then, in %s',
    (where) => {
      const arena = new Arena(4096);
      const into = new DirtyBitmap(arena, 200);
      const from = where === 'one arena' ? new DirtyBitmap(arena, 130) : DirtyBitmap.create(130);
      into.set(1);
      from.set(1);
      from.setRange(60, 70);
      into.takeFrom(from);
      expect(into.count()).toBe(71);
      expect(into.test(129)).toBe(true);
      expect(from.count()).toBe(0);
    },
  );

  test('takes marks from shared words', () => {
    const words = new Int32Array(new SharedArrayBuffer(8));
    words[1] = -1;
    const into = DirtyBitmap.create(64);
    into.takeWords(words);
    expect(bitsOf(into)).toEqual(Array.from({ length: 32 }, (_, index) => 32 + index));
    expect([...words]).toEqual([0, 0]);
  });

  test('refuses what lies outside it', () => {
    const bitmap = DirtyBitmap.create(64);
    for (const index of [-1, 64, 0.5, Number.NaN]) {
      expect(() => bitmap.set(index)).toThrow(RangeError);
      expect(() => bitmap.clear(index)).toThrow(RangeError);
      expect(() => bitmap.test(index)).toThrow(RangeError);
    }
    expect(() => bitmap.setRange(60, 5)).toThrow(RangeError);
    expect(() => bitmap.clearRange(-1, 5)).toThrow(RangeError);
    expect(() => bitmap.count(65)).toThrow(RangeError);
    expect(() => bitmap.takeFrom(DirtyBitmap.create(65))).toThrow(RangeError);
    expect(() => bitmap.takeWords(new Int32Array(3))).toThrow(RangeError);
    expect(() => DirtyBitmap.create(-1)).toThrow(RangeError);
    expect(() => DirtyBitmap.create(2 ** 32)).toThrow(RangeError);
  });

  test('gives no more of a run than is asked for', () => {
    const bitmap = DirtyBitmap.create(300);
    bitmap.setRange(60, 200);
    expect(bitmap.nextRun(0, 300, 64)).toEqual({ first: 60, count: 64 });
    expect(bitmap.nextRun(250, 300, 64)).toEqual({ first: 250, count: 10 });
    expect(bitmap.nextRun(70, 100, 64)).toEqual({ first: 70, count: 30 });
    expect(bitmap.nextRun(0, 300)).toEqual({ first: 60, count: 200 });
  });

  test('of no bits is empty', () => {
    const bitmap = DirtyBitmap.create(0);
    expect(bitmap.count()).toBe(0);
    expect(bitmap.nextRun(0)).toBeUndefined();
  });
});
