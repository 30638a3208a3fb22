import { expect, test } from 'vitest';
import { leafCountOf, leafOf, pageCountOf } from '../../src/memory/pages.js';

test.each([
  [0, 0],
  [1, 1],
  [4096, 1],
  [4097, 2],
  [2 ** 44 - 4096, 2 ** 32 - 1],
])('%i bytes take %i pages', (bytes, pages) => {
  expect(pageCountOf(bytes)).toBe(pages);
});

test.each([-1, 0.5, Number.NaN, 2 ** 53, 2 ** 44])('%d is no length of a region', (bytes) => {
  expect(() => pageCountOf(bytes)).toThrow(RangeError);
});

test('a leaf holds 512 pages', () => {
  expect([0, 1, 512, 513].map(leafCountOf)).toEqual([0, 1, 1, 2]);
  expect([0, 511, 512, 2 ** 32 - 2].map(leafOf)).toEqual([0, 0, 1, 2 ** 23 - 1]);
});
