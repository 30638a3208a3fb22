import { randomBytes } from 'node:crypto';
import { CaptureEngine } from '../codec/capture.js';
import type { CapturedFrame } from '../codec/frame-slots.js';
import { runsOfTable } from '../codec/run-table.js';
import type { Guest } from '../guests/guest.js';
import { DirtyBitmap } from '../memory/bitmap.js';
import { pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import { CompareTracker, HashTracker } from '../memory/scan-trackers.js';
import { capability } from '../protocol/version.js';
import { type Clock, sleep } from './clock.js';
import { Compression } from './compression.js';
import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { PatchPolicy } from './patch-policy.js';
import { portionsOf, stepPages } from './portions.js';
import { affordableShare, bytesOf, sampleOf } from './sampled-region.js';
import { Samples } from './samples.js';
import { Slices } from './slices.js';
import { capabilitiesOf } from './source-plan.js';
import type { Written } from './write-model.js';

export interface WatchOptions {
  /** Of the migration that is to be predicted: to a destination that takes whatever there is. */
  readonly options: ResolvedOptions;
  /** Of the link it would go over. */
  readonly meter: Meter;
  /** How long it is watched, behind a first pass over everything, or over a sample. */
  readonly watchMs: number;
  /** Share of the thread that watching takes, 0.01 to 1, as a migration would. */
  readonly cpuShare: number;
  readonly clock: Clock;
  /** Called between small pieces of work with the share of all of it that is done, 0 to 1, never falling. Throws to end it. */
  readonly onStep: (share: number) => void;
}

/** What one pass cost, milliseconds. */
interface Pass {
  readonly startedAt: number;
  readonly captureMs: number;
  /** Meanwhile others had so much of the thread. */
  readonly givenMs: number;
  readonly examinedPages: number;
  readonly pages: number;
  readonly bytes: number;
  /** The middle one of its frames': the first ones meet code that was never run. */
  readonly encodeMsPerPage: number;
}

/** What was learnt; pages and bytes of a sample, made up to all of the guest. */
export interface Watched {
  readonly totalBytes: number;
  readonly totalPages: number;
  /** Share of the pages that was looked at, 0 to 1. */
  readonly sampledShare: number;
  readonly watchedMs: number;
  readonly firstPages: number;
  readonly firstBytes: number;
  /** Looking at everything and encoding it while the guest ran, with what others had of the thread meanwhile. */
  readonly firstMs: number;
  readonly writes: readonly Written[];
  readonly encodeMsPerPage: number;
  readonly scanPagesPerMs: number;
  /** For each millisecond that looking and encoding take while the guest runs, others have the thread for so many. */
  readonly givenPerMs: number;
  /** Looking for writes that an exact tracker did not tell, with what others had of the thread meanwhile; 0 where nobody looks. */
  readonly auditMs: number;
  /** Hashing the trees. */
  readonly treeMs: number;
}

/** Distances between looks: short ones tell how rounds end, long ones how they begin. */
const shortestGapMs = 20;
const gapDoublings = 6;
/** A pass over a sample takes at most this part of the watch, so that there are several; the only one of something still, most of it. */
const passesAWatch = 8;
/** Of the progress that is shown, the first pass is so much. */
const firstPassShare = 0.3;
/** A frame of fewer pages says little of what one costs. */
const manyPages = stepPages / 2;
const costsKept = 256;

/**
 * Watches a running guest with the engine that would migrate it, and sends nothing: one pass tells what everything costs, looks at growing
 * distances what changes. The guest is not paused. What would take too long to read is looked at in windows, evenly spread.
 */
export async function watchGuest(guest: Guest, options: WatchOptions): Promise<Watched> {
  const watch = await GuestWatch.begin(guest, options);
  try {
    const first = await watch.first();
    return await watch.follow(first, await watch.audit());
  } finally {
    watch.end();
  }
}

class GuestWatch {
  readonly #guest: Guest;
  readonly #options: WatchOptions;
  readonly #share: number;
  readonly #tracker: Guest['tracker'];
  readonly #regions: () => readonly Region[];
  readonly #engine: CaptureEngine;
  readonly #compression: Compression;
  readonly #slices: Slices;
  readonly #stepPages: number;
  readonly #written = new Map<number, DirtyBitmap>();

  private constructor(guest: Guest, options: WatchOptions, share: number) {
    this.#guest = guest;
    this.#options = options;
    const samples = guest.regions.map((region) => sampleOf(region, share));
    const isWhole = samples.every((sample, at) => sample === guest.regions[at]);
    this.#share = isWhole ? 1 : bytesOf(samples) / bytesOf(guest.regions);
    this.#regions = isWhole ? () => guest.regions : () => samples;
    // The guest's own tracker knows nothing of a sample.
    const scanning = guest.tracker.evidence === 'shadow' ? new CompareTracker() : new HashTracker();
    this.#tracker = isWhole ? guest.tracker : scanning;
    const { shadowBytes, baseCacheBytes } = options.options;
    const isStill = guest.motion === 'still';
    const capabilities = capabilitiesOf(options.options);
    const tryCost = new PatchPolicy(options.options, options.meter).tryCost(false);
    const engine = new CaptureEngine(this.#regions(), this.#tracker, {
      secret: randomBytes(192),
      shadowBytes: isStill ? 0 : shadowBytes,
      baseCacheBytes: isStill ? 0 : baseCacheBytes,
      patches: tryCost > 0 && !isStill && (capabilities & capability.patches) !== 0,
      lz4: (capabilities & capability.lz4) !== 0,
    });
    engine.tryPatches(tryCost);
    for (const { id } of this.#regions()) engine.setBase(id, 'zero');
    this.#engine = engine;
    this.#slices = new Slices(options.clock, options.cpuShare);
    this.#stepPages = portionsOf(guest.tracker.exact, guest.handsOver ?? true).live;
    this.#compression = new Compression({
      ...options,
      compressor: engine.compressor,
      share: () => this.#slices.got,
    });
    this.#tracker.start();
  }

  static async begin(guest: Guest, options: WatchOptions): Promise<GuestWatch> {
    const { exact } = guest.tracker;
    const isStill = guest.motion === 'still';
    const passMs = isStill ? options.watchMs : options.watchMs / passesAWatch;
    const share =
      exact && !isStill
        ? 1
        : await affordableShare(guest.regions, passMs, options.clock, () => options.onStep(0));
    return new GuestWatch(guest, options, share);
  }

  end(): void {
    this.#tracker.stop();
  }

  /** Looks at everything. */
  first(): Promise<Pass> {
    const { totalPages } = this.#engine;
    const all = this.#guest.motion === 'still' ? 1 : firstPassShare;
    return this.#pass((examinedPages) => all * Math.min(1, examinedPages / totalPages));
  }

  /** Looks at everything that may have changed; `unseen`: without the tracker's knowledge too. `shareOf`: how much of all is done behind so many pages of this pass. */
  async #pass(shareOf: (examinedPages: number) => number, unseen = false): Promise<Pass> {
    const { clock, onStep } = this.#options;
    const startedAt = clock.now();
    const givenBefore = this.#slices.givenMs;
    const regions = this.#regions();
    this.#engine.syncRegions(regions);
    this.#engine.takeDirty(unseen);
    let captureMs = 0;
    let examinedPages = 0;
    let pages = 0;
    let bytes = 0;
    const costs = new Samples(costsKept);
    const { frameBytes } = this.#options.meter;
    for (let exhausted = false; !exhausted; ) {
      onStep(shareOf(examinedPages));
      const from = clock.now();
      const step = await this.#engine.capture({
        maxPayloadBytes: this.#compression.payloadBytes(frameBytes),
        maxPages: this.#stepPages,
      });
      const frame = this.#packed(step.frame, clock.now() - from);
      const tookMs = clock.now() - from;
      captureMs += tookMs;
      examinedPages += step.examinedPages;
      exhausted = step.exhausted;
      if (frame !== undefined) {
        if (frame.pageCount >= manyPages) costs.add(tookMs / frame.pageCount);
        pages += frame.pageCount;
        bytes += frame.bytes.byteLength;
        this.#note(regions, frame.copyTable());
        frame.release();
      }
      this.#engine.indexPages(this.#stepPages);
      await this.#slices.breathe();
    }
    const encodeMsPerPage = costs.quantile(0.5) ?? captureMs / Math.max(1, pages);
    const givenMs = this.#slices.givenMs - givenBefore;
    return { startedAt, captureMs, givenMs, examinedPages, pages, bytes, encodeMsPerPage };
  }

  /** The frame as it would leave. */
  #packed(frame: CapturedFrame | undefined, capturedMs: number): CapturedFrame | undefined {
    return frame && this.#compression.pack(frame, capturedMs, false);
  }

  /** Audits all pages, as the second round of a migration does. Returns the milliseconds it took. */
  async audit(): Promise<number> {
    const { clock, onStep } = this.#options;
    const from = clock.now();
    while (this.#guest.motion !== 'still' && this.#engine.auditPagesLeft > 0) {
      const left = this.#engine.auditPagesLeft;
      onStep(firstPassShare);
      await this.#engine.audit(this.#stepPages);
      await this.#slices.breathe();
      // What is left is dirty, and is looked at again when it was sent.
      if (this.#engine.auditPagesLeft === left) break;
    }
    return clock.now() - from;
  }

  /** Looks again and again until the time is over. */
  async follow(first: Pass, auditMs: number): Promise<Watched> {
    const { clock, watchMs } = this.#options;
    this.#written.clear();
    const from = clock.now();
    const writes: Written[] = [];
    let before = first;
    let scanPagesPerMs = speedOf(first);
    for (let look = 0; this.#guest.motion !== 'still' && clock.now() - from < watchMs; look++) {
      const gapMs = shortestGapMs * 2 ** (look % gapDoublings);
      await sleep(clock, Math.min(gapMs, Math.max(0, watchMs - (clock.now() - from))));
      const share = Math.min(1, (clock.now() - from) / watchMs);
      const shareOf = () => firstPassShare + share * (1 - firstPassShare);
      // Once, as in the second round.
      const pass = await this.#pass(shareOf, look === 0);
      scanPagesPerMs = Math.max(scanPagesPerMs, speedOf(pass));
      const { pages, bytes } = pass;
      writes.push(this.#scaled({ ms: pass.startedAt - before.startedAt, pages, bytes }));
      const sinceFirst = pass.startedAt - first.startedAt;
      if (look > 0)
        writes.push(
          this.#scaled({ ms: sinceFirst, pages: this.#writtenPages(), bytes: undefined }),
        );
      before = pass;
    }
    const watchedMs = clock.now() - from;
    const treesFrom = clock.now();
    this.#engine.roots();
    const { regions } = this.#guest;
    return {
      totalBytes: bytesOf(regions),
      totalPages: regions.reduce((sum, { byteLength }) => sum + pageCountOf(byteLength), 0),
      sampledShare: this.#share,
      watchedMs,
      firstPages: first.pages / this.#share,
      firstBytes: first.bytes / this.#share,
      firstMs: (first.captureMs + first.givenMs) / this.#share,
      writes,
      encodeMsPerPage: first.encodeMsPerPage,
      scanPagesPerMs,
      givenPerMs: first.captureMs > 0 ? first.givenMs / first.captureMs : 0,
      auditMs,
      treeMs: (clock.now() - treesFrom) / this.#share,
    };
  }

  #scaled({ ms, pages, bytes }: Written): Written {
    return {
      ms: Math.max(1, ms),
      pages: pages / this.#share,
      bytes: bytes === undefined ? undefined : bytes / this.#share,
    };
  }

  /** Remembers the pages of a frame as written since the first pass. */
  #note(regions: readonly Region[], table: Uint8Array): void {
    for (const { region, first, count } of runsOfTable(table)) {
      const { maxByteLength = 0 } = regions.find(({ id }) => id === region) ?? {};
      const bitmap = this.#written.get(region) ?? DirtyBitmap.create(pageCountOf(maxByteLength));
      this.#written.set(region, bitmap);
      if (first + count <= bitmap.bits) bitmap.setRange(first, count);
    }
  }

  #writtenPages(): number {
    return [...this.#written.values()].reduce((sum, bitmap) => sum + bitmap.count(), 0);
  }
}

/** Pages a millisecond; 0 if nothing was looked at. */
function speedOf({ examinedPages, captureMs }: Pass): number {
  return captureMs > 0 ? examinedPages / captureMs : 0;
}
