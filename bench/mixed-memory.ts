import { randomFillSync } from 'node:crypto';
import { rowPages } from './rows.js';

const pageBytes = 4096;
/** Of ten pages: four zeros, four of a database, two that nothing can be said of. */
const kinds = ['zero', 'rows', 'zero', 'noise', 'rows', 'zero', 'rows', 'zero', 'noise', 'rows'];
/** Pages of one kind lie together, as in memory. */
const stretchPages = 16;
const stampBytes = 32;

/** Memory as a host has it; no two pages that are not zeros are equal. */
export async function mixedMemory(bytes: number): Promise<Uint8Array> {
  const image = new Uint8Array(bytes);
  const rows = await rowPages(8 << 20);
  let row = 0;
  for (let at = 0; at < bytes; at += stretchPages * pageBytes) {
    const kind = kinds[(at / (stretchPages * pageBytes)) % kinds.length];
    const stretch = image.subarray(at, at + stretchPages * pageBytes);
    if (kind === 'noise') randomFillSync(stretch);
    if (kind !== 'rows') continue;
    for (let page = 0; page < stretch.length; page += pageBytes) {
      const from = row % (rows.length - pageBytes);
      stretch.set(rows.subarray(from, from + pageBytes), page);
      randomFillSync(stretch, page + (row % (pageBytes - stampBytes)), stampBytes);
      row += pageBytes;
    }
  }
  return image;
}

/**
 * Changes one page in `every`, as programs do: some rows, counters and pointers, in one to eight places of 8 to 64 bytes. Of zero pages some become
 * used. Returns how many pages changed.
 */
export function changePages(image: Uint8Array, every: number, seed: number): number {
  let state = seed * 2654435761;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pages = image.length / pageBytes;
  const count = Math.floor(pages / every);
  for (let changed = 0; changed < count; changed += 1) {
    const page = changed * every + next(every);
    for (let places = 1 + next(8); places > 0; places -= 1) {
      const length = 8 * (1 + next(8));
      const at = page * pageBytes + 8 * next((pageBytes - length) / 8);
      randomFillSync(image, at, length);
    }
  }
  return count;
}
