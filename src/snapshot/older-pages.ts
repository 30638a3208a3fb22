import { FerryError } from '../errors.js';
import type { OlderPages } from '../guests/older-image.js';
import { pagesOf } from './merkle.js';
import { type SnapshotReader, STORE_PAGE_BYTES } from './types.js';

/**
 * A region of a snapshot as what a file held before. A page that cannot be proven counts as zeros: it is sent then. `onDamage` is told why of the first of
 * them.
 */
export function olderPages(
  reader: SnapshotReader,
  region: number,
  onDamage: (error: FerryError) => void,
): OlderPages {
  const pages = pagesOf(reader.manifest.regions[region]?.byteLength ?? 0);
  let isTold = false;
  const read = async (firstPage: number, into: Uint8Array): Promise<void> => {
    const count = Math.max(0, Math.min(into.length / STORE_PAGE_BYTES, pages - firstPage));
    into.fill(0, count * STORE_PAGE_BYTES);
    if (count === 0) return;
    try {
      await reader.readPages(region, firstPage, count, into);
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      if (count > 1) {
        for (let at = 0; at < count; at += 1) {
          const from = at * STORE_PAGE_BYTES;
          await read(firstPage + at, into.subarray(from, from + STORE_PAGE_BYTES));
        }
        return;
      }
      into.fill(0);
      if (!isTold) onDamage(error);
      isTold = true;
    }
  };
  return { read };
}
