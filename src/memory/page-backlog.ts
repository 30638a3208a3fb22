import type { Arena } from '../core/arena.js';
import { type BitRun, DirtyBitmap } from './bitmap.js';

/**
 * Pages of a region that wait to be looked at once. Knows how many there are and where the first may be, so that asking costs the same
 * in a large region as in a small one. Pages outside the capacity are RangeErrors.
 */
export class PageBacklog {
  readonly #bits: DirtyBitmap;
  #size = 0;
  /** No page below it waits. */
  #lowest = 0;

  /** Bytes of arena taken. */
  static byteLength(capacityPages: number): number {
    return DirtyBitmap.byteLength(capacityPages);
  }

  /** `address` is that of `byteLength(capacityPages)` zero bytes, 8-aligned. */
  constructor(arena: Arena, capacityPages: number, address: number) {
    this.#bits = new DirtyBitmap(arena, capacityPages, address);
  }

  /** Pages that wait. */
  get size(): number {
    return this.#size;
  }

  has(page: number): boolean {
    return this.#bits.test(page);
  }

  add(first: number, count: number): void {
    this.#size += count - this.#countIn(first, first + count);
    this.#bits.setRange(first, count);
    if (count > 0) this.#lowest = Math.min(this.#lowest, first);
  }

  remove(first: number, count: number): void {
    this.#size -= this.#countIn(first, first + count);
    this.#bits.clearRange(first, count);
  }

  /** The first stretch of waiting pages at or after `from` and below `limit`, or the first `most` of them. */
  nextRun(from: number, limit: number, most: number): BitRun | undefined {
    const run = this.#bits.nextRun(Math.max(from, this.#lowest), limit, most);
    if (from <= this.#lowest) this.#lowest = Math.max(this.#lowest, run?.first ?? limit);
    return run;
  }

  #countIn(first: number, end: number): number {
    let count = 0;
    for (let run = this.#bits.nextRun(first, end); run !== undefined; ) {
      count += run.count;
      run = this.#bits.nextRun(run.first + run.count, end);
    }
    return count;
  }
}
