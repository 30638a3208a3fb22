import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';

const pageBytes = 4096;
const pages = 70;

describe.each(builds)('zero check and page scan, $build build', ({ shared }) => {
  const arena = new Arena(2 * pages * pageBytes + 4096, { shared });
  const { kernels } = arena;
  const a = arena.alloc(pages * pageBytes, pageBytes);
  const b = arena.alloc(pages * pageBytes, pageBytes);
  const bitmap = arena.alloc(16);
  const left = arena.bytes(a, pages * pageBytes);
  const right = arena.bytes(b, pages * pageBytes);

  test('memory is zero until any single byte of it is not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (blocks, position, value) => {
          const bytes = blocks * 128;
          left.fill(0);
          left[bytes] = 1;
          expect(kernels.isZero(a, bytes)).toBe(1);
          left[position % bytes] = value;
          expect(kernels.isZero(a, bytes)).toBe(0);
        },
      ),
    );
  });

  test('the scan marks exactly the pages in which any byte differs, and keeps older marks', () => {
    const change = fc.record({
      page: fc.nat(pages - 1),
      offset: fc.nat(pageBytes - 1),
      flip: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 20 }),
        fc.integer({ min: 1, max: pages }),
        fc.nat(pages - 1),
        (changes, count, marked) => {
          left.fill(7);
          right.fill(7);
          arena.u64(bitmap, 2).fill(0n);
          kernels.bitmapSet(bitmap, marked);
          const model = new Set<number>();
          for (const { page, offset, flip } of changes) {
            right[page * pageBytes + offset] = 7 ^ flip;
            if (page < count) model.add(page);
          }
          expect(kernels.scanPages(a, b, count, bitmap)).toBe(model.size);
          model.add(marked);
          for (let page = 0; page < pages; page++) {
            expect(kernels.bitmapTest(bitmap, page)).toBe(Number(model.has(page)));
          }
        },
      ),
    );
  });
});
