import type { DestinationRegion } from '../memory/destination-region.js';
import type { HashKey } from '../memory/page-hashes.js';
import { readPages } from '../memory/read-pages.js';
import type { PageScratch } from './page-scratch.js';

/** A page that does not hold what was written to it; `hash` is that of what it holds. */
export interface Mismatch {
  readonly region: number;
  readonly page: number;
  readonly hash: bigint;
}

/**
 * Reads up to `count` pages from `first` on back and compares them with their hashes. Hashes that are wrong are replaced by those of what
 * is really there, so that the roots tell the truth. Undefined, and nothing done, if `isStale` says so once the pages are read: a frame was
 * applied meanwhile.
 */
export async function rereadPages(
  target: DestinationRegion,
  first: number,
  count: number,
  scratch: PageScratch,
  key: HashKey,
  isStale: () => boolean,
): Promise<Mismatch[] | undefined> {
  const { region, byteLength, hashes, id } = target;
  const reading = readPages({ region, byteLength, first, count }, scratch.bytes, 'ERR_GUEST');
  if (reading !== undefined) await reading;
  if (isStale()) return undefined;
  scratch.hash(count, key.secret);
  const mismatches: Mismatch[] = [];
  for (let index = 0; index < count; index++) {
    const page = first + index;
    if (hashes.isSame(page, scratch.hashWords, index)) continue;
    const hash = scratch.hashes[index] ?? 0n;
    hashes.set(page, hash);
    mismatches.push({ region: id, page, hash });
  }
  target.unread.remove(first, count);
  return mismatches;
}
