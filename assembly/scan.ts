import { orWord } from './bitmap';
import { pageBytes } from './page';

/** The bits in which the 64 bytes at `a` and `b` differ, folded into 16 bytes. */
export function difference64(a: usize, b: usize): v128 {
  return v128.or(
    v128.or(v128.xor(v128.load(a), v128.load(b)), v128.xor(v128.load(a, 16), v128.load(b, 16))),
    v128.or(
      v128.xor(v128.load(a, 32), v128.load(b, 32)),
      v128.xor(v128.load(a, 48), v128.load(b, 48)),
    ),
  );
}

/** Whether the pages at `a` and `b` are equal. Leaves at the first 128 bytes that differ: oftener costs more than it saves. */
export function pagesEqual(a: usize, b: usize): bool {
  for (const end = a + pageBytes; a < end; a += 128, b += 128) {
    if (v128.any_true(v128.or(difference64(a, b), difference64(a + 64, b + 64)))) return false;
  }
  return true;
}

/** Compares `pages` pages at `a` and `b`; sets bit i of `bitmap` for each page that differs; returns how many differ. */
export function scanPages(a: usize, b: usize, pages: u32, bitmap: usize): u32 {
  let differing: u64 = 0;
  for (let first: u32 = 0; first < pages; first += 64, bitmap += 8) {
    const count = min<u32>(64, pages - first);
    let word: u64 = 0;
    for (let i: u32 = 0; i < count; i++, a += pageBytes, b += pageBytes) {
      word |= u64(!pagesEqual(a, b)) << (<u64>i);
    }
    if (word === 0) continue;
    orWord(bitmap, word);
    differing += popcnt(word);
  }
  return <u32>differing;
}
