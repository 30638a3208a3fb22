import { expect, test } from 'vitest';
import { makeImage } from '../../bench/image.js';

function isZero(image: Uint8Array, page: number): boolean {
  return image.subarray(page * 4096, (page + 1) * 4096).every((byte) => byte === 0);
}

test.each([1, 16])('an image has its share of zero pages, in stretches of %i', (stretch) => {
  const pages = 1600;
  const image = makeImage(pages * 4096, 0.4, stretch);
  let zeros = 0;
  for (let page = 0; page < pages; page++) {
    const zero = isZero(image, page);
    if (zero) zeros += 1;
    expect(zero).toBe(isZero(image, page - (page % stretch)));
  }
  expect(Math.abs(zeros / pages - 0.4)).toBeLessThan(0.02);
});
