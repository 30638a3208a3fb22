import type { Arena } from '../core/arena.js';
import { pageKind } from '../core/kernel-exports.js';
import type { DestinationRegion } from '../memory/destination-region.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { readPages, writePages } from '../memory/read-pages.js';
import type { PageScratch } from './page-scratch.js';
import type { RunRecords } from './run-records.js';

/** Part of a checked fill or delta run, or all of it. */
interface Part {
  readonly target: DestinationRegion;
  /** Number of its record. */
  readonly run: number;
  readonly first: number;
  readonly count: number;
  /** Page of the scratch where its pages are built. */
  readonly at: number;
}

/**
 * Builds the pages of fill and delta runs in scratch, many at a time: old pages are gathered there, the kernel changes and hashes them,
 * they are scattered back. Regions that are read and written asynchronously do so all at once.
 */
export class BuiltPages {
  readonly #arena: Arena;
  readonly #runs: RunRecords;
  readonly #scratch: PageScratch;
  readonly #secret: number;
  readonly #patchState: number;
  #parts: Part[] = [];
  #used = 0;

  /** `patchState`: whose ring gets what long deltas change, or 0. */
  constructor(
    arena: Arena,
    runs: RunRecords,
    scratch: PageScratch,
    secret: number,
    patchState: number,
  ) {
    this.#arena = arena;
    this.#runs = runs;
    this.#scratch = scratch;
    this.#secret = secret;
    this.#patchState = patchState;
  }

  /** Whether `add` may be called for a run of so many pages without a `flush` before. */
  hasRoom(count: number): boolean {
    return this.#used + count <= this.#scratch.pages;
  }

  /** Takes in the pages of run `run`: all that are left of it, or as many as there is room for. Returns how many. */
  add(target: DestinationRegion, run: number, first: number, count: number): number {
    const taken = Math.min(count, this.#scratch.pages - this.#used);
    this.#parts.push({ target, run, first, count: taken, at: this.#used });
    this.#used += taken;
    return taken;
  }

  /** Nothing is taken in and not built. */
  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** Forgets what was taken in and not built. */
  clear(): void {
    this.#parts = [];
    this.#used = 0;
  }

  /** Builds and writes everything taken in. Whatever fails, nothing of it is read or written behind its end: others build in the same scratch. */
  async flush(): Promise<void> {
    const begun: Promise<void>[] = [];
    try {
      await this.#flush(begun);
    } finally {
      if (begun.length > 0) await Promise.allSettled(begun);
    }
  }

  /** `begun` gets what is read and written. */
  async #flush(begun: Promise<void>[]): Promise<void> {
    const parts = this.#parts;
    this.clear();
    for (const part of parts) {
      if (this.#runs.get(part.run, 'kind') !== pageKind.delta) continue;
      const { region, byteLength } = part.target;
      const stretch = { region, byteLength, first: part.first, count: part.count };
      const reading = readPages(stretch, this.#scratch.view(part.at, part.count), 'ERR_GUEST');
      if (reading !== undefined) begun.push(reading);
    }
    if (begun.length > 0) await Promise.all(begun);
    for (const part of parts) this.#build(part);
    for (const part of parts) {
      const { region, byteLength } = part.target;
      const stretch = { region, byteLength, first: part.first, count: part.count };
      const writing = writePages(stretch, this.#scratch.view(part.at, part.count));
      if (writing !== undefined) begun.push(writing);
      part.target.noteWritten(part.first, part.count);
    }
    if (begun.length > 0) await Promise.all(begun);
  }

  #build({ target, run, first, count, at }: Part): void {
    const runs = this.#runs;
    runs.put(run, 'count', count);
    runs.put(run, 'target', this.#scratch.address + at * PAGE_BYTES);
    runs.put(run, 'hashes', target.hashes.address + first * 8);
    this.#arena.kernels.apply(runs.addressOf(run), 1, this.#secret, this.#patchState);
  }
}
