import { randomBytes } from 'node:crypto';
import { Arena } from '../core/arena.js';
import { InPlaceHasher } from '../core/in-place.js';
import { secretBytes } from '../core/secret.js';
import { DirtyBitmap } from '../memory/bitmap.js';
import { PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';

/** Pages that are copied, or hashed, at once. */
const WATCH_WINDOW_PAGES = 64;
/** Pages that are looked at in place before a guest that runs has its turn. */
const LOOK_PIECE_PAGES = 2048;

/** What regions are copied and hashed with; one for a guest. */
export class WatchScratch {
  readonly secret: Uint8Array = new Uint8Array(randomBytes(secretBytes));
  readonly pages: Uint8Array;
  readonly #arena = new Arena(WATCH_WINDOW_PAGES * (PAGE_BYTES + 8) + secretBytes + 256);
  readonly #pagesAddress: number;
  readonly #hashesAddress: number;
  readonly #secretAddress: number;

  constructor() {
    const bytes = WATCH_WINDOW_PAGES * PAGE_BYTES;
    this.#pagesAddress = this.#arena.alloc(bytes);
    this.#hashesAddress = this.#arena.alloc(WATCH_WINDOW_PAGES * 8);
    this.#secretAddress = this.#arena.alloc(secretBytes);
    this.#arena.bytes(this.#secretAddress, secretBytes).set(this.secret);
    this.pages = this.#arena.bytes(this.#pagesAddress, bytes);
  }

  /** Hashes of the first `count` pages, two u32 each; valid until the next call. */
  hashes(count: number): Uint32Array {
    const { kernels } = this.#arena;
    kernels.hashPages(this.#pagesAddress, count, this.#hashesAddress, this.#secretAddress);
    return this.#arena.u32(this.#hashesAddress, 2 * count);
  }
}

/**
 * Which pages of a region are not as they were stored last. An exact tracker says it; what others write unseen, and everything where the tracker is not
 * exact, is found by hashes, 8 bytes a page: of the bytes that were stored, never of those in the memory, which may be others by then.
 */
export class RegionWatch {
  readonly region: Region;
  readonly #scratch: WatchScratch;
  readonly #dirty: DirtyBitmap;
  /** Two u32 a page, where the region has to be looked at. */
  readonly #hashes: Uint32Array | undefined;
  /** Pages that were never stored have no hash to be compared with. */
  readonly #stored: DirtyBitmap;
  readonly #isNamed: boolean;
  #hasher: InPlaceHasher | undefined;

  /** `isStored`: what is in it now is stored already. */
  constructor(region: Region, tracker: DirtyTracker, scratch: WatchScratch, isStored: boolean) {
    const pages = pageCountOf(region.maxByteLength);
    this.region = region;
    this.#scratch = scratch;
    this.#isNamed = tracker.exact;
    this.#dirty = DirtyBitmap.create(pages);
    this.#stored = DirtyBitmap.create(pages);
    const isLookedAt = !tracker.exact || (tracker.unseen?.(region) ?? false);
    if (isLookedAt) this.#hashes = new Uint32Array(2 * pages);
    if (!isStored) this.#dirty.setRange(0, pageCountOf(region.byteLength));
  }

  /** Pages it has now. */
  get pageCount(): number {
    return pageCountOf(this.region.byteLength);
  }

  /** Whether all its pages have to be looked at while the guest is paused. */
  get isLookedAt(): boolean {
    return this.#hashes !== undefined;
  }

  get dirtyPages(): number {
    return this.#dirty.count(this.pageCount);
  }

  /** Learns what the tracker noted. */
  note(tracker: DirtyTracker): void {
    if (this.#isNamed) tracker.take(this.region, this.#dirty);
  }

  /** Everything counts as never stored: what was stored is not in the store after all. */
  forget(): void {
    this.#dirty.setRange(0, this.pageCount);
    this.#stored.clearAll();
  }

  /** Compares every page with what was stored, where that is needed; `breathe`: between pieces of 8 MiB, for a guest that runs. */
  async look(breathe?: () => Promise<void>): Promise<void> {
    const hashes = this.#hashes;
    if (hashes === undefined) return;
    const end = this.pageCount;
    this.#nameUnknown(end);
    const hasher = this.#inPlace();
    const whole = hasher === undefined ? 0 : Math.floor(this.region.byteLength / PAGE_BYTES);
    for (let first = 0; hasher !== undefined && first < whole; first += LOOK_PIECE_PAGES) {
      const last = Math.min(whole, first + LOOK_PIECE_PAGES);
      let page = hasher.nextChanged(hashes, first, last);
      for (; page < last; page = hasher.nextChanged(hashes, page + 1, last)) this.#dirty.set(page);
      await breathe?.();
    }
    for (let first = whole; first < end; first += WATCH_WINDOW_PAGES) {
      const count = Math.min(WATCH_WINDOW_PAGES, end - first);
      await this.#read(first, count);
      const found = this.#scratch.hashes(count);
      for (let index = 0; index < count; index += 1) {
        const at = 2 * (first + index);
        const isSame = found[2 * index] === hashes[at] && found[2 * index + 1] === hashes[at + 1];
        if (!isSame) this.#dirty.set(first + index);
      }
    }
  }

  /**
   * Copies the next dirty pages from page `from` on, at most `WATCH_WINDOW_PAGES` in one run, to the scratch's pages, and counts them as stored. Undefined: there are none.
   */
  async copyNext(
    from: number,
  ): Promise<{ readonly first: number; readonly count: number } | undefined> {
    const run = this.#dirty.nextRun(from, this.pageCount, WATCH_WINDOW_PAGES);
    if (run === undefined) return undefined;
    const { first, count } = run;
    // Before it is read: who writes meanwhile marks it again.
    this.#dirty.clearRange(first, count);
    await this.#read(first, count);
    this.#hashes?.set(this.#scratch.hashes(count), 2 * first);
    if (this.#hashes !== undefined) this.#stored.setRange(first, count);
    return run;
  }

  #nameUnknown(end: number): void {
    for (let page = 0; page < end; ) {
      const run = this.#stored.nextRun(page, end);
      const until = run?.first ?? end;
      if (until > page) this.#dirty.setRange(page, until - page);
      page = run === undefined ? end : run.first + run.count;
    }
  }

  async #read(first: number, count: number): Promise<void> {
    const offset = first * PAGE_BYTES;
    const bytes = Math.min(count * PAGE_BYTES, this.region.byteLength - offset);
    const into = this.#scratch.pages.subarray(0, bytes);
    const memory = this.region.memory?.();
    // Nothing is awaited where the bytes are at hand: no turn of the loop comes between.
    if (memory !== undefined) into.set(memory.subarray(offset, offset + bytes));
    else await this.region.read(offset, into);
    this.#scratch.pages.fill(0, bytes, count * PAGE_BYTES);
  }

  #inPlace(): InPlaceHasher | undefined {
    const memory = this.region.linearMemory?.();
    if (memory === undefined || !InPlaceHasher.accepts(memory)) return undefined;
    this.#hasher ??= new InPlaceHasher(memory, this.#scratch.secret);
    return this.#hasher;
  }
}
