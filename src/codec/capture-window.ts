import type { Arena } from '../core/arena.js';
import { captureJob } from '../core/kernel-exports.js';
import { DirtyBitmap } from '../memory/bitmap.js';
import type { HashKey } from '../memory/page-hashes.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { readPages } from '../memory/read-pages.js';
import type { SourceRegion } from '../memory/source-region.js';

/** Pages captured in one kernel call: 1 MiB, within the second-level cache, and half a leaf of the hash tree. */
export const WINDOW_PAGES = 256;

/** Two runs of dirty pages this close are read together from a file: a read costs more than a few pages. */
const maxFileGapPages = 8;

/** Base cache areas of the arena (`captureJob`); both 0 without one. */
export interface BaseCacheAreas {
  readonly cache: number;
  readonly cachePages: number;
}

/**
 * One window of one region on its way through the capture kernel. Dirty pages are copied into private scratch first: whoever writes
 * meanwhile cannot tear them, and comparison, delta, hash and shadow all see the same bytes.
 */
export class CaptureWindow {
  /** Dirty pages of the window, taken out of the region's bitmap: marks that arrive meanwhile are not lost with them. */
  readonly dirty: DirtyBitmap;
  readonly #arena: Arena;
  readonly #scratch: number;
  readonly #bytes: Uint8Array;
  readonly #job: number;
  readonly #fields: Uint32Array;

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
  }

  #put(field: Exclude<keyof typeof captureJob, 'zeroHash' | 'byteLength'>, value: number): void {
    this.#fields[captureJob[field] / 4] = value;
  }

  /** Takes the dirty pages of the window from page `first` (a multiple of 256) out of the region's bitmap. Returns how many. */
  take(source: SourceRegion, first: number): number {
    const words = Math.ceil(this.#countOf(source, first) / 64);
    const from = source.dirty.address + first / 8;
    return this.#arena.kernels.bitmapFetchClear(from, this.dirty.address, words) >>> 0;
  }

  /** Puts back what was taken and not captured. */
  restore(source: SourceRegion, first: number): void {
    const words = Math.ceil(this.#countOf(source, first) / 64);
    const into = source.dirty.address + first / 8;
    this.#arena.kernels.bitmapFetchClear(this.dirty.address, into, words);
  }

  #countOf(source: SourceRegion, first: number): number {
    return Math.min(WINDOW_PAGES, source.pageCount - first);
  }

  /** Copies the dirty pages into the scratch. Only regions that are read asynchronously give a promise. */
  load(source: SourceRegion, first: number): Promise<void> | undefined {
    return source.region.memory === undefined
      ? this.#loadFile(source, first)
      : this.#loadMemory(source, first);
  }

  #read(source: SourceRegion, first: number, run: { first: number; count: number }) {
    const { region, byteLength } = source;
    const stretch = { region, byteLength, first: first + run.first, count: run.count };
    const into = this.#bytes.subarray(run.first * PAGE_BYTES, (run.first + run.count) * PAGE_BYTES);
    return readPages(stretch, into, 'ERR_SOURCE_CHANGED');
  }

  #loadMemory(source: SourceRegion, first: number): undefined {
    for (const run of this.dirty.runs(this.#countOf(source, first))) this.#read(source, first, run);
  }

  async #loadFile(source: SourceRegion, first: number): Promise<void> {
    let pending: { first: number; count: number } | undefined;
    for (const run of this.dirty.runs(this.#countOf(source, first))) {
      if (pending !== undefined && run.first - pending.first - pending.count <= maxFileGapPages) {
        pending.count = run.first + run.count - pending.first;
        continue;
      }
      if (pending !== undefined) await this.#read(source, first, pending);
      pending = { ...run };
    }
    if (pending !== undefined) await this.#read(source, first, pending);
  }

  /** Captures the loaded pages into the frame whose state is at `frame`. False if the frame is full and pages are left. */
  capture(source: SourceRegion, first: number, frame: number): boolean {
    const count = this.#countOf(source, first);
    this.#put('firstPage', first);
    this.#put('pageCount', count);
    this.#put('baseKnown', source.baseKnown.address + first / 8);
    this.#put('shadow', first < source.shadowPages ? source.shadow + first * PAGE_BYTES : 0);
    this.#put('hashes', source.hashes.address + first * 8);
    this.#put('region', source.id);
    this.#put('frame', frame);
    this.#put('unindexed', source.unindexed.address + first / 8);
    this.#put('regionShadow', source.shadow);
    this.#put('regionShadowPages', Math.min(source.pageCount, source.shadowPages));
    this.#put('regionBaseKnown', source.baseKnown.address);
    this.#put('regionHashes', source.hashes.address);
    const consumed = this.#arena.kernels.capture(this.#job);
    source.hashes.touch(first, count);
    return consumed === count;
  }
}
