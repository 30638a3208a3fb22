import type { Arena } from '../core/arena.js';
import { checksum } from '../core/checksum.js';
import type { LinearMemory } from '../core/linear-memory.js';
import { type HashKey, placeHashKey } from '../memory/page-hashes.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { Base } from '../memory/region.js';
import type { RegionPiece } from '../memory/region-piece.js';
import type { SourceRegion } from '../memory/source-region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { Audit } from './audit.js';
import { baseCacheBytesOf, placeBaseCache } from './base-cache.js';
import { CaptureCursor } from './capture-cursor.js';
import {
  type Capture,
  type CaptureBudget,
  type CaptureOptions,
  type DirtyRun,
  resolveCapture,
} from './capture-options.js';
import { CaptureWindow } from './capture-window.js';
import { FrameCompressor } from './frame-compressor.js';
import { type CapturedFrame, FrameSlots, type OpenFrame } from './frame-slots.js';
import { InPlaceScan } from './in-place-scan.js';
import { PageClaims } from './page-claims.js';
import { PatchIndex } from './patch-index.js';
import type { RegionChange } from './region-changes.js';
import { runsOfTable } from './run-table.js';
import { planSourceArena } from './source-arena.js';
import { SourceRegions } from './source-regions.js';

/** A part is no smaller, however little room the frame has: a call costs as much as a few pages. */
const leastPartPages = 16;

/**
 * The source's half of the codec: knows which pages are dirty and what the destination holds, and turns dirty pages into frames.
 * Its calls must not overlap: await `capture`, `audit` and `settleAudit` before the next call; only `repair` may come in between.
 */
export class CaptureEngine {
  /** Undefined where the destination does not take LZ4. */
  readonly compressor: FrameCompressor | undefined;
  readonly #tracker: DirtyTracker;
  readonly #arena: Arena;
  readonly #key: HashKey;
  readonly #slots: FrameSlots;
  readonly #window: CaptureWindow;
  readonly #inPlace: InPlaceScan | undefined;
  /** Most pages that are dirty now did not change. */
  #scans: boolean;
  readonly #audit: Audit;
  readonly #regions: SourceRegions;
  readonly #patches: PatchIndex | undefined;
  /** One for each channel. */
  readonly #cursors: readonly CaptureCursor[];
  /** Undefined where there is one channel only. */
  readonly #claims: PageClaims | undefined;
  /** Where the ring stood before the last frame. */
  #pushesBefore = 0;

  /**
   * All pages are dirty, no base is known. ERR_NO_CAPACITY if the regions' bookkeeping (some 8.7 bytes for each page of their maxima)
   * does not fit an arena.
   */
  constructor(regions: readonly RegionPiece[], tracker: DirtyTracker, options: CaptureOptions) {
    const { channels, lz4, slots, maxPayloadBytes } = resolveCapture(options);
    const fixedBytes =
      FrameSlots.byteLength(slots, maxPayloadBytes) +
      CaptureWindow.byteLength +
      Audit.byteLength +
      baseCacheBytesOf(options.baseCacheBytes) +
      (lz4 ? FrameCompressor.byteLength(maxPayloadBytes) : 0) +
      4 * PAGE_BYTES;
    const plan = planSourceArena(regions, fixedBytes, options);
    const { arena, indexedPages } = plan;
    const key = placeHashKey(arena, options.secret);
    this.#tracker = tracker;
    this.#arena = arena;
    this.#key = key;
    this.#slots = new FrameSlots(arena, slots, maxPayloadBytes);
    this.compressor = lz4 ? new FrameCompressor(arena, maxPayloadBytes) : undefined;
    this.#patches = indexedPages > 0 ? new PatchIndex(arena, indexedPages) : undefined;
    const cache = placeBaseCache(arena, options.baseCacheBytes);
    this.#window = new CaptureWindow(arena, key, cache, this.#patches?.state ?? 0);
    this.#audit = new Audit(arena, key);
    this.#regions = new SourceRegions(arena, key, plan.shadowPagesLeft);
    const comparesOnly = !tracker.exact && tracker.evidence === 'shadow';
    this.#inPlace = comparesOnly ? undefined : new InPlaceScan(options.secret);
    this.#scans = !tracker.exact;
    this.#claims = channels > 1 ? new PageClaims() : undefined;
    this.#cursors = Array.from(
      { length: channels },
      (_, channel) => new CaptureCursor(channel, this.#claims),
    );
    regions.forEach((region, index) => {
      this.#regions.add(region, plan.shadowPages[index] ?? 0).baseKnown.clearAll();
    });
  }

  /** Where frames stand. */
  get memory(): LinearMemory {
    return this.#arena.memory;
  }

  /** XXH3-64 of `bytes`, where they stand if that is in this engine's memory: for the checksums of frames. */
  checksum(bytes: Uint8Array): bigint {
    return checksum(bytes, this.#arena);
  }

  /**
   * What the destination's copy holds from now on. All pages become dirty. After 'zero' only pages that are not zero will be sent,
   * after 'unknown' every page, and none as a delta; after 'held' those that are not adopted.
   */
  setBase(regionId: number, base: Base): void {
    const source = this.#regions.get(regionId);
    const { pageCount } = source;
    source.baseKnown.clearAll();
    // What was captured before, if anything was, is not what is there.
    source.shadowed.clearAll();
    this.#window.dropCache();
    if (base === 'zero' && pageCount > 0) {
      source.hashes.set(0, this.#key.zeroHash, pageCount);
      source.baseKnown.setRange(0, pageCount);
    }
    source.dirty.setRange(0, pageCount);
  }

  /**
   * Copies pages, `count` from `first` on, a range or the last part of one, and shows them, the last one zero-padded; what they hash to is what `adopt` goes by. They
   * stay dirty. Whether it did: not where a region is not here any more, or pages are clean.
   */
  async look(
    regionId: number,
    first: number,
    count: number,
    see: (pages: Uint8Array) => void,
  ): Promise<boolean> {
    const source = this.#regions.find(regionId);
    if (source === undefined) return false;
    const window = this.#window;
    const taken = window.take(source, first, count, first + count);
    try {
      if (taken < count) return false;
      await window.load(source);
      see(window.look(source, count));
      return true;
    } finally {
      window.restore(source);
    }
  }

  /** The destination holds what these pages were when they were looked at: they are clean, and known to be there. What was written since is dirty by its mark, or found by its hash. */
  adopt(regionId: number, first: number, count: number): void {
    const source = this.#regions.find(regionId);
    source?.baseKnown.setRange(first, count);
    source?.dirty.clearRange(first, count);
  }

  /** `followRegions` with the guest's list of them. What is new is dirty and taken to be zero at the destination. */
  syncRegions(regions: readonly RegionPiece[]): RegionChange[] {
    return this.#regions.follow(regions, (source) => this.#audit.drop(source));
  }

  /** Every page is to be looked at. */
  markAll(): void {
    for (const source of this.#regions.list) source.dirty.setRange(0, source.pageCount);
  }

  /** Takes over what the tracker noted since the last call; `unseen`: and all pages that may have been written without its knowledge. */
  takeDirty(unseen = false): void {
    for (const source of this.#regions.list) {
      this.#tracker.take(source.region, source.dirty);
      if (unseen && this.#isUnseen(source)) source.dirty.setRange(0, source.pageCount);
    }
    if (this.#tracker.exact) this.#scans = unseen;
    this.#audit.settled(false);
  }

  #isUnseen(source: SourceRegion): boolean {
    return this.#tracker.unseen?.(source.region) === true;
  }

  /** Those of which the tracker promises to know all. */
  get #audited(): readonly SourceRegion[] {
    const { list } = this.#regions;
    if (!this.#tracker.exact) return [];
    return this.#tracker.unseen === undefined ? list : list.filter((it) => !this.#isUnseen(it));
  }

  /** Pages to be looked at: all of them after `takeDirty` of a tracker that is not exact. */
  get dirtyPages(): number {
    return this.#regions.list.reduce(
      (sum, source) => sum + source.dirty.count(source.pageCount),
      0,
    );
  }

  /** The same pages, run by run. */
  *dirtyRuns(): Generator<DirtyRun> {
    for (const { id, dirty, pageCount } of this.#regions.list) {
      for (const { first, count } of dirty.runs(pageCount)) yield { region: id, first, count };
    }
  }

  get totalPages(): number {
    return this.#regions.list.reduce((sum, source) => sum + source.pageCount, 0);
  }

  /** How many frames can be captured before one must be released. */
  get freeSlots(): number {
    return this.#slots.free;
  }

  /**
   * Looks at dirty pages until a frame is full, the budget is spent or none is left. One call takes pages in one ascending sweep;
   * the next goes on where it ended. RangeError if no slot is free; ERR_SOURCE_CHANGED if a region became shorter.
   */
  async capture(budget: CaptureBudget): Promise<Capture> {
    const { channel = 0 } = budget;
    const cursor = this.#cursors[channel];
    if (cursor === undefined) throw new RangeError(`no channel ${channel}`);
    const frame = this.#slots.open(budget.maxPayloadBytes, budget.maxPages);
    this.#pushesBefore = this.#patches?.pushes ?? 0;
    let examinedPages = 0;
    try {
      while (examinedPages < budget.maxPages && frame.roomPages() > 0) {
        const source = cursor.seek(this.#regions.list, frame.pageCount() === 0);
        if (source === undefined) break;
        // No more than the frame is sure to have room for, or little more: what it has not is copied again for the next one.
        const fitting = Math.max(frame.roomPages(), leastPartPages);
        const most = Math.min(fitting, budget.maxPages - examinedPages);
        const taken = this.#window.take(source, cursor.page, most, cursor.claim(source, most));
        const capturing = this.#capturePart(source, frame);
        const left = typeof capturing === 'number' ? capturing : await capturing;
        examinedPages += taken - left;
        if (left > 0) break;
        cursor.pass(this.#window.first + this.#window.count);
      }
    } catch (error) {
      const begun = frame.seal();
      if (begun !== undefined) this.takeBack(begun);
      throw error;
    }
    return { frame: frame.seal(), examinedPages, exhausted: !cursor.hasDirty(this.#regions.list) };
  }

  /** Captures the part that was taken. Gives the pages for which there was no room, in a promise only where they are read asynchronously. */
  #capturePart(source: SourceRegion, frame: OpenFrame): number | Promise<number> {
    const window = this.#window;
    try {
      const { first, count, dirty } = window;
      if (this.#scans && this.#inPlace?.dropUnchanged(source, first, count, dirty)) return 0;
      const loading = window.load(source);
      if (loading !== undefined) return this.#captureRead(source, frame, loading);
      window.capture(source, frame.state);
      return window.restore(source);
    } catch (error) {
      window.restore(source);
      throw error;
    }
  }

  async #captureRead(
    source: SourceRegion,
    frame: OpenFrame,
    loading: Promise<void>,
  ): Promise<number> {
    try {
      await loading;
      this.#window.capture(source, frame.state);
    } catch (error) {
      this.#window.restore(source);
      throw error;
    }
    return this.#window.restore(source);
  }

  /**
   * Which captured pages get a shadow that have none yet: all of them (at first), those sent `again`, or none. What has no shadow goes whole when it changes,
   * where it could have gone as a delta. A tracker that compares needs all of them.
   */
  keepShadows(which: 'all' | 'again' | 'none'): void {
    if (this.#tracker.evidence !== 'shadow') this.#window.keepShadows(which);
  }

  /**
   * A try at a patch costs as much time as the link takes for so many bytes, which tries have to save: else only a few are made. 0: none, as on a fast
   * link. At first `LEAST_TRY_COST`.
   */
  tryPatches(costBytes: number): void {
    if (this.#patches !== undefined) this.#patches.tryCost = costBytes;
  }

  /** Work for moments in which the link is busy: makes up to `maxPages` pages findable for patches. Returns how many. */
  indexPages(maxPages: number): number {
    return this.#patches?.indexPages(this.#regions.list, maxPages) ?? 0;
  }

  /** For moments in which every page was captured and indexed: true if they all wait to be indexed anew, as what is known of them had aged. */
  renewIndex(): boolean {
    return this.#patches?.renew(this.#regions.list) ?? false;
  }

  /**
   * Work for a moment before the pause: has the system provide memory that the last copy will need, for one frame at a time. Whether there was something to do.
   */
  provide(): boolean {
    const frames = Math.ceil((this.totalPages * PAGE_BYTES) / this.#slots.maxPayloadBytes);
    return this.#window.provide() || this.#slots.provide(frames);
  }

  /** Another connection begins: the ring is empty at both ends (docs/protocol.md, section 4). */
  clearRing(): void {
    this.#patches?.clear();
  }

  /**
   * Pages that `channel` sent may go on any channel from now on, or those of all channels: nothing of them is under way there any more. Until then a
   * page stays with the channel that sent it.
   */
  freeClaims(channel?: number): void {
    this.#claims?.free(this.#regions.list, channel);
  }

  /** The frame captured last will never be sent: its pages are as unknown to the destination as those of a lost one. Releases it. */
  takeBack(frame: CapturedFrame): void {
    this.forget(frame.copyTable());
    this.#patches?.rewind(this.#pushesBefore);
    frame.release();
  }

  /**
   * The frame with this run table was lost, or it is not known whether it arrived: the destination may hold anything in its pages,
   * which become dirty and will go without skip or delta.
   */
  forget(table: Uint8Array): void {
    for (const run of runsOfTable(table)) {
      const found = this.#regions.framed(run.region, run.first);
      if (found === undefined) continue;
      found.source.baseKnown.clearRange(found.first, run.count);
      found.source.dirty.setRange(found.first, run.count);
    }
  }

  /** The destination holds something else in these pages: they will be sent whole. RangeError for pages that do not exist. */
  repair(regionId: number, pages: readonly number[]): void {
    const source = this.#regions.get(regionId);
    for (const page of pages) {
      if (page >= source.pageCount) throw new RangeError(`no page ${page} in region ${regionId}`);
      source.baseKnown.clear(page);
      source.dirty.set(page);
    }
  }

  /**
   * For an exact tracker: compares up to about `maxPages` unmarked pages with what was captured. ERR_MISSED_WRITE once a page was found
   * changed and the next `takeDirty` did not name it (in a region that other threads write: see `settleAudit`).
   */
  async audit(maxPages: number): Promise<void> {
    if (this.#tracker.exact) await this.#audit.look(this.#audited, maxPages);
  }

  /** Pages no audit has looked at yet; 0 where the tracker is not exact. */
  get auditPagesLeft(): number {
    return this.#audited.reduce((sum, { unaudited }) => sum + unaudited.size, 0);
  }

  /** With the guest paused, after `takeDirty`: audits what is left. ERR_MISSED_WRITE for any unmarked page that changed. */
  async settleAudit(): Promise<void> {
    if (this.#tracker.exact) await this.#audit.settle(this.#audited);
  }

  /** Hash over each region as captured, ascending by id. */
  roots(): { id: number; byteLength: number; root: bigint }[] {
    return this.#regions.list.map(({ id, byteLength, hashes }) => {
      return { id, byteLength, root: hashes.root(byteLength) };
    });
  }

  /** Hashes of the region's leaves of 512 pages. */
  leaves(regionId: number): BigUint64Array {
    return this.#regions.get(regionId).hashes.leaves();
  }

  /** Page hashes under one leaf. */
  pageHashes(regionId: number, leaf: number): BigUint64Array {
    return this.#regions.get(regionId).hashes.ofLeaf(leaf);
  }
}
