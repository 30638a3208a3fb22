import { expect, it } from 'vitest';
import { PageFinder } from '../../src/snapshot/page-finder.js';

it('finds what was put into it, full as it is, and names few packs besides', () => {
  const count = 200_000;
  const finder = new PageFinder(count);
  let state = 7;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const words = Uint32Array.from({ length: 2 * count }, next);
  for (let object = 0; object < count; object++) {
    finder.add(words[2 * object] as number, words[2 * object + 1] as number, 1 + (object % 65_535));
  }
  expect(finder.free).toBe(0);
  const into = new Uint16Array(8);
  let lost = 0;
  for (let object = 0; object < count; object++) {
    const found = finder.find(words[2 * object] as number, words[2 * object + 1] as number, into);
    if (!into.subarray(0, found).includes(1 + (object % 65_535))) lost++;
  }
  expect(lost).toBeLessThan(count / 10_000);
  let strangers = 0;
  for (let object = 0; object < count; object++) strangers += finder.find(next(), next(), into);
  expect(strangers).toBeLessThan(count / 4000);
  // Beyond its room nothing changes.
  finder.add(1, 2, 3);
  expect(finder.free).toBe(0);
});
