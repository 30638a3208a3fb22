/** Bytes of a page, everywhere: on the wire, in bitmaps, in hashes. */
export const PAGE_BYTES = 4096;

/** Pages of a leaf of the hash tree: their hashes, 8 bytes each, fill one page. */
export const LEAF_PAGES = 512;

/** Pages of a range, whose digest tells whether what a destination held before is what is here: a MiB. */
export const HELD_RANGE_PAGES = 256;

const maxPages = 0xffffffff;

/**
 * Pages that `byteLength` bytes take; the last may be partly filled. RangeError unless it is a safe integer of 0 or more
 * whose page numbers fit into 32 bits (16 TiB).
 */
export function pageCountOf(byteLength: number): number {
  if (!Number.isSafeInteger(byteLength) || byteLength < 0) {
    throw new RangeError(`not a length in bytes: ${byteLength}`);
  }
  const pages = Math.ceil(byteLength / PAGE_BYTES);
  if (pages > maxPages) throw new RangeError(`${byteLength} bytes are more than 2^32 - 1 pages`);
  return pages;
}

/** Leaves that the hashes of `pageCount` pages take; the last may be partly filled. */
export function leafCountOf(pageCount: number): number {
  return Math.ceil(pageCount / LEAF_PAGES);
}

/** The leaf that holds the hash of `page`. */
export function leafOf(page: number): number {
  return Math.floor(page / LEAF_PAGES);
}
