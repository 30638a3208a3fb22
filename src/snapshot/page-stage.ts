import { PAGE_BYTES } from '../memory/pages.js';
import type { RegionWatch, WatchScratch } from './region-watch.js';

/** Pages of one region, one after the other. */
export interface StagedRun {
  readonly watch: RegionWatch;
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** Where pages are copied to while a guest is paused. It is kept from one time to the next: memory that was used once costs no page faults. */
export class PageStage {
  #bytes = new Uint8Array(0);
  #used = 0;
  readonly #runs: { watch: RegionWatch; first: number; count: number; at: number }[] = [];

  /** Has room for so many pages, touched before it is needed. */
  reserve(pages: number): void {
    const bytes = pages * PAGE_BYTES;
    if (bytes > this.#bytes.length) this.#bytes = new Uint8Array(bytes).fill(1);
  }

  get pages(): number {
    return this.#used / PAGE_BYTES;
  }

  /** Copies a run of the scratch's pages. */
  add(watch: RegionWatch, first: number, count: number, { pages }: WatchScratch): void {
    const bytes = count * PAGE_BYTES;
    if (this.#used + bytes > this.#bytes.length) this.#grow(this.#used + bytes);
    this.#bytes.set(pages.subarray(0, bytes), this.#used);
    this.#runs.push({ watch, first, count, at: this.#used });
    this.#used += bytes;
  }

  /** Gives all runs, once. */
  take(): StagedRun[] {
    const runs = this.#runs.splice(0).map(({ at, ...run }) => {
      return { ...run, bytes: this.#bytes.subarray(at, at + run.count * PAGE_BYTES) };
    });
    this.#used = 0;
    return runs;
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
