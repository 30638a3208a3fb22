import type { Arena } from '../core/arena.js';
import { captureJob, keepShadow } from '../core/kernel-exports.js';
import { DirtyBitmap } from '../memory/bitmap.js';
import type { HashKey } from '../memory/page-hashes.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { readPages } from '../memory/read-pages.js';
import type { SourceRegion } from '../memory/source-region.js';
import { type BaseCacheAreas, emptyBaseCache } from './base-cache.js';

/** Pages of a window: half a leaf of the hash tree. */
export const WINDOW_PAGES = 256;

/** Dirty pages are taken by whole words of their bitmap, but for frames with little room. */
const wordPages = 64;

/** Two runs of dirty pages this close are read together from a file: a read costs more than a few pages. */
const maxFileGapPages = 8;

/**
 * Part of one window of a region on its way through the capture kernel. Dirty pages are copied into private scratch first: whoever writes
 * meanwhile cannot tear them, and comparison, delta, hash and shadow all see the same bytes.
 */
export class CaptureWindow {
  /** Dirty pages of the part, taken out of the region's bitmap: marks that arrive meanwhile are not lost with them. */
  readonly dirty: DirtyBitmap;
  readonly #arena: Arena;
  readonly #scratch: number;
  readonly #bytes: Uint8Array;
  readonly #job: number;
  readonly #fields: Uint32Array;
  readonly #secret: number;
  readonly #cache: number;
  #isProvided = false;
  #first = 0;
  #count = 0;

  /** Bytes of arena taken. */
  static readonly byteLength: number = (WINDOW_PAGES + 1) * PAGE_BYTES + 1024;

  /** `patchState`: address of the state of the patch kernels, 0 for no patches. */
  constructor(
    arena: Arena,
    key: HashKey & { zeroPage: number },
    cache: BaseCacheAreas,
    patchState: number,
  ) {
    this.#arena = arena;
    this.#secret = key.secret;
    this.#cache = cache.cache;
    this.#scratch = arena.alloc(WINDOW_PAGES * PAGE_BYTES, PAGE_BYTES);
    this.#bytes = arena.bytes(this.#scratch, WINDOW_PAGES * PAGE_BYTES);
    this.dirty = new DirtyBitmap(arena, WINDOW_PAGES);
    this.#job = arena.alloc(captureJob.byteLength, 64);
    this.#fields = arena.u32(this.#job, captureJob.byteLength / 4);
    arena.u64(this.#job + captureJob.zeroHash, 1)[0] = key.zeroHash;
    this.#put('pages', this.#scratch);
    this.#put('dirty', this.dirty.address);
    this.#put('secret', key.secret);
    this.#put('zeroPage', key.zeroPage);
    this.#put('cache', cache.cache);
    this.#put('cachePages', cache.cachePages);
    this.#put('patch', patchState);
    this.keepShadows('all');
  }

  /** Has the system provide the memory of the scratch, the first time. Whether it did. */
  provide(): boolean {
    if (this.#isProvided) return false;
    this.#isProvided = true;
    this.#bytes.fill(0);
    return true;
  }

  /** Which pages get a shadow that have none. At first all. */
  keepShadows(which: keyof typeof keepShadow): void {
    this.#put('keeping', keepShadow[which]);
  }

  #put(field: Exclude<keyof typeof captureJob, 'zeroHash' | 'byteLength'>, value: number): void {
    this.#fields[captureJob[field] / 4] = value;
  }

  /**
   * Takes dirty pages of a part of the region out of its bitmap: those from page `from` on up to the end of its window, or up to about
   * `most` pages further, and none from `limit` on. Returns how many.
   */
  take(source: SourceRegion, from: number, most: number, limit: number): number {
    const first = from - (from % wordPages);
    const windowEnd = from - (from % WINDOW_PAGES) + WINDOW_PAGES;
    const end = Math.min(
      windowEnd,
      source.pageCount,
      limit,
      first + Math.ceil(most / wordPages) * wordPages,
    );
    this.#first = first;
    this.#count = end - first;
    let taken = this.#move(source.dirty.address + first / 8, this.dirty.address);
    // A tracker may know of growth that nobody has followed yet: such pages do not exist here. Those from the limit on are another channel's.
    if (end === source.pageCount || end === limit)
      taken -= this.#giveBack(source, this.#count, WINDOW_PAGES);
    // What was marked again behind a sweep waits for the next one: pages of a frame ascend.
    if (from > first) taken -= this.#giveBack(source, 0, from - first);
    if (taken <= most || most >= wordPages) return taken;
    let cut = 0;
    for (let left = most; left > 0; left--) cut = this.dirty.next(cut, this.#count) + 1;
    this.#giveBack(source, cut, this.#count);
    this.#count = cut;
    return most;
  }

  /** Puts pages `begin` to `end` of the part back. Returns how many were taken. */
  #giveBack(source: SourceRegion, begin: number, end: number): number {
    let pages = 0;
    for (let run = this.dirty.nextRun(begin, end); run !== undefined; ) {
      source.dirty.setRange(this.#first + run.first, run.count);
      this.dirty.clearRange(run.first, run.count);
      pages += run.count;
      run = this.dirty.nextRun(run.first + run.count, end);
    }
    return pages;
  }

  /** Puts back what was taken and not captured. Returns how many pages. */
  restore(source: SourceRegion): number {
    return this.#move(this.dirty.address, source.dirty.address + this.#first / 8);
  }

  /** Moves the part's bits from one bitmap to another. Returns how many. */
  #move(from: number, into: number): number {
    const words = Math.ceil(this.#count / wordPages);
    return this.#arena.kernels.bitmapFetchClear(from, into, words) >>> 0;
  }

  /** First page of the part, and how many there are: dirty ones and others. */
  get first(): number {
    return this.#first;
  }

  get count(): number {
    return this.#count;
  }

  /** Copies the pages taken into the scratch. Only regions that are read asynchronously give a promise. */
  load(source: SourceRegion): Promise<void> | undefined {
    return source.region.memory === undefined ? this.#loadFile(source) : this.#loadMemory(source);
  }

  #read(source: SourceRegion, run: { first: number; count: number }) {
    const { region, byteLength } = source;
    const stretch = { region, byteLength, first: this.#first + run.first, count: run.count };
    const into = this.#bytes.subarray(run.first * PAGE_BYTES, (run.first + run.count) * PAGE_BYTES);
    return readPages(stretch, into, 'ERR_SOURCE_CHANGED');
  }

  #loadMemory(source: SourceRegion): undefined {
    // Not by the generator: this is once a frame and more, and leaves the less behind.
    for (let run = this.dirty.nextRun(0, this.#count); run !== undefined; ) {
      this.#read(source, run);
      run = this.dirty.nextRun(run.first + run.count, this.#count);
    }
  }

  async #loadFile(source: SourceRegion): Promise<void> {
    let pending: { first: number; count: number } | undefined;
    for (const run of this.dirty.runs(this.#count)) {
      if (pending !== undefined && run.first - pending.first - pending.count <= maxFileGapPages) {
        pending.count = run.first + run.count - pending.first;
        continue;
      }
      if (pending !== undefined) await this.#read(source, pending);
      pending = { ...run };
    }
    if (pending !== undefined) await this.#read(source, pending);
  }

  /** The loaded pages, `count` from the first of the part on; their hashes are noted. */
  look(source: SourceRegion, count: number): Uint8Array {
    const hashes = source.hashes.address + this.#first * 8;
    this.#arena.kernels.hashPages(this.#scratch, count, hashes, this.#secret);
    source.hashes.touch(this.#first, count);
    return this.#bytes.subarray(0, count * PAGE_BYTES);
  }

  /** Forgets the pages in the base cache. */
  dropCache(): void {
    if (this.#cache !== 0) emptyBaseCache(this.#arena, this.#cache);
  }

  /** Captures the loaded pages, as many as there is room for, into the frame whose state is at `frame`. */
  capture(source: SourceRegion, frame: number): void {
    const first = this.#first;
    this.#put('firstPage', source.framed.firstPage + first);
    this.#put('pageCount', this.#count);
    this.#put('baseKnown', source.baseKnown.address + first / 8);
    this.#put('shadow', first < source.shadowPages ? source.shadow + first * PAGE_BYTES : 0);
    this.#put('shadowed', source.shadowed.address + first / 8);
    this.#put('hashes', source.hashes.address + first * 8);
    this.#put('region', source.framed.region);
    this.#put('frame', frame);
    this.#put('unindexed', source.unindexed.address + first / 8);
    this.#put('regionShadow', source.shadow);
    this.#put('regionShadowPages', Math.min(source.pageCount, source.shadowPages));
    this.#put('regionShadowed', source.shadowed.address);
    this.#put('regionBaseKnown', source.baseKnown.address);
    this.#put('regionHashes', source.hashes.address);
    this.#arena.kernels.capture(this.#job);
    source.hashes.touch(first, this.#count);
  }
}
