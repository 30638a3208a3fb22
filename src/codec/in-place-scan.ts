import { InPlaceHasher } from '../core/in-place.js';
import type { LinearMemory } from '../core/linear-memory.js';
import type { DirtyBitmap } from '../memory/bitmap.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { SourceRegion } from '../memory/source-region.js';

/**
 * Finds what really changed in a region that is a WebAssembly.Memory where it lies, so that only changed pages are copied. What the
 * hash calls unchanged is as good as compared: the capture kernel skips by the same hash.
 */
export class InPlaceScan {
  readonly #secret: Uint8Array;
  readonly #hashers = new WeakMap<SourceRegion, { memory: LinearMemory; hasher: InPlaceHasher }>();

  constructor(secret: Uint8Array) {
    this.#secret = secret.slice();
  }

  #hasherOf(source: SourceRegion): InPlaceHasher | undefined {
    const memory = source.region.linearMemory?.();
    if (memory === undefined || !InPlaceHasher.accepts(memory)) return undefined;
    const known = this.#hashers.get(source);
    if (known?.memory === memory) return known.hasher;
    const firstByte = source.framed.firstPage * PAGE_BYTES;
    const hasher = new InPlaceHasher(memory, this.#secret, firstByte);
    this.#hashers.set(source, { memory, hasher });
    return hasher;
  }

  /**
   * Clears from `dirty`, the bits of `count` pages from page `first` on, those that are as they were captured and whose base is known.
   * Returns whether none is left. Does nothing where the region cannot be looked at in place.
   */
  dropUnchanged(source: SourceRegion, first: number, count: number, dirty: DirtyBitmap): boolean {
    const hasher = this.#hasherOf(source);
    if (hasher === undefined) return false;
    const hashes = source.hashes.words;
    // What follows a partial last page in the memory is not the region's: that page is copied and padded.
    const wholePages = Math.floor(source.byteLength / PAGE_BYTES);
    for (const run of dirty.runs(Math.max(0, Math.min(count, wholePages - first)))) {
      const end = first + run.first + run.count;
      let known = source.baseKnown.nextRun(first + run.first, end);
      while (known !== undefined) {
        const knownEnd = known.first + known.count;
        for (let page = known.first; page < knownEnd; page++) {
          const changed = hasher.nextChanged(hashes, page, knownEnd);
          dirty.clearRange(page - first, changed - page);
          page = changed;
        }
        known = source.baseKnown.nextRun(knownEnd, end);
      }
    }
    return dirty.next(0, count) === count;
  }
}
