import type { DirtyBitmap } from './bitmap.js';
import { PAGE_BYTES, pageCountOf } from './pages.js';
import type { Region } from './region.js';
import type { DirtyTracker } from './tracker.js';

/**
 * The marks of one region as they can be posted to another thread, or written by any other code: the page `p` is marked by setting bit
 * `p % 32` of the i32 `p / 32` in `buffer`; with Atomics.or where `buffer` is shared. Store first, mark after.
 */
export interface MarksLayout {
  readonly region: number;
  readonly pageCount: number;
  readonly buffer: ArrayBufferLike;
}

/** Marks of one region; on shared memory any number of threads may mark at once. */
export class RegionMarks {
  readonly layout: MarksLayout;
  readonly #words: Int32Array;
  readonly #isShared: boolean;

  constructor(layout: MarksLayout) {
    this.layout = layout;
    this.#words = new Int32Array(layout.buffer);
    this.#isShared = !(layout.buffer instanceof ArrayBuffer);
    if (this.#words.length * 32 < layout.pageCount) {
      throw new RangeError(
        `${layout.buffer.byteLength} bytes of marks for ${layout.pageCount} pages`,
      );
    }
  }

  /** Notes that `length` bytes from `offset` on were written: call it after the store. RangeError outside the region's maximum. */
  mark(offset: number, length: number): void {
    const first = Math.floor(offset / PAGE_BYTES);
    const last = Math.floor((offset + length - 1) / PAGE_BYTES);
    if (!(offset >= 0 && length >= 0 && last < this.layout.pageCount)) {
      throw new RangeError(
        `${length} bytes at ${offset} are outside ${this.layout.pageCount} pages of marks`,
      );
    }
    if (length === 0) return;
    for (let page = first; page <= last; page++) this.#set(page >>> 5, 1 << (page & 31));
  }

  #set(index: number, mask: number): void {
    if (this.#isShared) Atomics.or(this.#words, index, mask);
    else this.#words[index] = (this.#words[index] ?? 0) | mask;
  }

  /** Moves the marks into a bitmap of at least as many bits. */
  moveTo(into: DirtyBitmap): void {
    into.takeWords(this.#words);
  }

  clear(): void {
    for (let index = 0; index < this.#words.length; index++) {
      if (this.#isShared) Atomics.store(this.#words, index, 0);
      else this.#words[index] = 0;
    }
  }
}

/**
 * The program says what it writes: `mark` after each store. Exact. Give `shared: true` where other threads write: they mark through
 * `new RegionMarks(tracker.layoutOf(id))`, or by themselves (see MarksLayout).
 */
export class MarksTracker implements DirtyTracker {
  readonly exact = true;
  readonly #regions = new Map<number, RegionMarks>();
  readonly #isShared: boolean;

  constructor(
    regions: readonly Pick<Region, 'id' | 'maxByteLength'>[],
    options: { readonly shared?: boolean } = {},
  ) {
    this.#isShared = options.shared ?? false;
    for (const region of regions) this.add(region);
  }

  /** From now on the region can be marked. It must be here before its first write that is not covered by its appearance. */
  add(region: Pick<Region, 'id' | 'maxByteLength'>): void {
    const pageCount = pageCountOf(region.maxByteLength);
    const byteLength = Math.ceil(pageCount / 64) * 8;
    const buffer = this.#isShared ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength);
    this.#regions.set(region.id, new RegionMarks({ region: region.id, pageCount, buffer }));
  }

  #marksOf(regionId: number): RegionMarks {
    const marks = this.#regions.get(regionId);
    if (marks === undefined) throw new RangeError(`region ${regionId} has no marks`);
    return marks;
  }

  /** Notes that `length` bytes of a region were written, from `offset` on: call it after the store. */
  mark(regionId: number, offset: number, length: number): void {
    this.#marksOf(regionId).mark(offset, length);
  }

  /** What a worker needs to mark this region. */
  layoutOf(regionId: number): MarksLayout {
    return this.#marksOf(regionId).layout;
  }

  start(): void {
    for (const marks of this.#regions.values()) marks.clear();
  }

  /** A region that was never added may have changed anywhere. */
  take(region: Region, into: DirtyBitmap): void {
    const marks = this.#regions.get(region.id);
    if (marks !== undefined) marks.moveTo(into);
    else into.setRange(0, into.bits);
  }

  stop(): void {}
}
