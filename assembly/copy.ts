import { pageBytes } from './page';

/** Copies one page. The pages must not overlap. Faster than memory.copy, which leaves wasm code for a library call. */
export function copyPage(target: usize, source: usize): void {
  for (let end = source + pageBytes; source < end; source += 64, target += 64) {
    v128.store(target, v128.load(source));
    v128.store(target, v128.load(source, 16), 16);
    v128.store(target, v128.load(source, 32), 32);
    v128.store(target, v128.load(source, 48), 48);
  }
}

/** Copies `count` bytes in steps of 16: reads and writes up to 15 bytes more. What is written too much must be written anew or be slack. */
export function copyLoosely(target: usize, source: usize, count: usize): void {
  for (const end = target + count; target < end; target += 16, source += 16) {
    v128.store(target, v128.load(source));
  }
}
