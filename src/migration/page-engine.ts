import type { Capture, CaptureBudget, DirtyRun } from '../codec/capture-options.js';
import type { FrameCompressor } from '../codec/frame-compressor.js';
import type { CapturedFrame } from '../codec/frame-slots.js';
import type { RegionChange } from '../codec/region-changes.js';
import type { Base, Region } from '../memory/region.js';
import type { Look } from './held-comparison.js';

/**
 * What a migration needs of what captures its pages; `CaptureEngine` does it at once and says what each call means. Calls do not overlap,
 * but for `repair` and `pageHashes`.
 */
export interface PageEngine {
  readonly dirtyPages: number;
  readonly totalPages: number;
  readonly auditPagesLeft: number;
  /** Absent where frames come as they are to leave. */
  readonly compressor?: FrameCompressor | undefined;
  checksum(bytes: Uint8Array): bigint;
  setBase(regionId: number, base: Base): void;
  /** See `CaptureEngine`. Absent where nothing is compared: then no base is 'held'. */
  look?: Look;
  adopt?(regionId: number, first: number, count: number): void;
  syncRegions(regions: readonly Region[]): RegionChange[] | Promise<RegionChange[]>;
  markAll(): void | Promise<void>;
  /** See `CaptureEngine.takeDirty`. */
  takeDirty(unseen?: boolean): void | Promise<void>;
  dirtyRuns(): Iterable<DirtyRun>;
  /** `paused`: nobody else wants the thread. */
  capture(order: CaptureBudget & { readonly paused: boolean }): Promise<Capture>;
  /** See `CaptureEngine.freeClaims`. */
  freeClaims(channel?: number): void | Promise<void>;
  takeBack(frame: CapturedFrame): void;
  /** See `CaptureEngine.forget`. */
  forget(table: Uint8Array): void;
  repair(regionId: number, pages: readonly number[]): void;
  audit(maxPages: number): Promise<void>;
  settleAudit(): Promise<void>;
  roots(): Roots | Promise<Roots>;
  leaves(regionId: number): BigUint64Array | Promise<BigUint64Array>;
  pageHashes(regionId: number, leaf: number): BigUint64Array | Promise<BigUint64Array>;
  /** Ends the threads it has; absent where it has none. */
  close?(): Promise<void>;
  /** Absent where frames are built elsewhere. */
  provide?(): boolean;
  /** Absent where every page gets a shadow at once. */
  keepShadows?(which: 'all' | 'again' | 'none'): void;
  /** These are absent where no patches are made. */
  tryPatches?(costBytes: number): void;
  indexPages?(maxPages: number): number;
  renewIndex?(): boolean;
  clearRing?(): void;
}

/** Ascending by id. */
type Roots = { id: number; byteLength: number; root: bigint }[];
