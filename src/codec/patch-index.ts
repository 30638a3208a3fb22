import type { Arena } from '../core/arena.js';
import { patchState } from '../core/kernel-exports.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { SourceRegion } from '../memory/source-region.js';
import { PatchRing } from './patch-ring.js';

const blockBytes = 16;
const blocksPerPage = PAGE_BYTES / blockBytes;
/** For each block a u32 of the table and 5 bits of filter: 0.29 of what is indexed. */
const tableBytesPerPage = blocksPerPage * 4;
const filterBytesPerPage = (blocksPerPage * 5) / 8;
const bucketBytes = 16;
/** What a try costs at the least, bytes: on a link however slow. */
export const LEAST_TRY_COST = 64;
/** Worth some dozens of tries before one has succeeded. */
const firstCredit = 4096;

/**
 * The source's side of patches: where in the shadow a piece of content was seen last, and the ring. Takes 0.29 of the shadow pages it is
 * made for, and 4 bytes for each page of the arena.
 */
export class PatchIndex extends PatchRing {
  readonly #arena: Arena;
  readonly #filterBytes: number;
  /** Bits of the filter that were set when everything was indexed; undefined before. */
  #bitsAtFirst: number | undefined;

  /** Bytes of arena taken, in an arena of `arenaBytes` in all. */
  static byteLengthFor(shadowPages: number, arenaBytes: number): number {
    const pushOfBytes = (Math.ceil(arenaBytes / PAGE_BYTES) + 1) * 4;
    const perPage = tableBytesPerPage + filterBytesPerPage;
    return PatchRing.byteLength + shadowPages * perPage + pushOfBytes + 2 * PAGE_BYTES;
  }

  /** `shadowPages`: how many pages it is laid out for. More may be indexed; the oldest then give way sooner. */
  constructor(arena: Arena, shadowPages: number) {
    super(arena);
    this.#arena = arena;
    this.#filterBytes = shadowPages * filterBytesPerPage;
    const arenaBytes = arena.memory.buffer.byteLength;
    const fields = this.fields;
    fields[patchState.table / 4] = arena.alloc(shadowPages * tableBytesPerPage, 64);
    fields[patchState.buckets / 4] = (shadowPages * tableBytesPerPage) / bucketBytes;
    fields[patchState.filter / 4] = arena.alloc(this.#filterBytes, 64);
    fields[patchState.filterWords / 4] = this.#filterBytes / 8;
    fields[patchState.blockBits / 4] = Math.ceil(Math.log2(arenaBytes / blockBytes));
    fields[patchState.pushOf / 4] = arena.alloc((arenaBytes / PAGE_BYTES) * 4, 64);
    fields[patchState.scratch / 4] = arena.alloc(PAGE_BYTES + 64, 64);
    fields[patchState.credit / 4] = firstCredit;
    this.tryCost = LEAST_TRY_COST;
  }

  /** What a try at a patch costs, in bytes of the link: tries must save as much. 0: none are made; the ring goes on without. */
  set tryCost(bytes: number) {
    this.fields[patchState.trying / 4] = bytes;
  }

  /** Indexes up to `maxPages` pages that wait for it. Returns how many. */
  indexPages(sources: readonly SourceRegion[], maxPages: number): number {
    let left = maxPages;
    for (const { unindexed, shadow, shadowPages } of sources) {
      let run = unindexed.nextRun(0, shadowPages, left);
      while (run !== undefined && left > 0) {
        const { first, count } = run;
        this.#arena.kernels.patchIndex(this.state, shadow + first * PAGE_BYTES, count);
        unindexed.clearRange(first, count);
        left -= count;
        run = unindexed.nextRun(first + count, shadowPages, left);
      }
    }
    return maxPages - left;
  }

  /**
   * For moments in which everything there is was captured and indexed. The filter only fills up: once it holds much more than it did the first time it is
   * emptied, and every page waits to be indexed. Whether that was done.
   */
  renewFilter(sources: readonly SourceRegion[]): boolean {
    const bitsSet = this.fields[patchState.filterSet / 4] ?? 0;
    this.#bitsAtFirst ??= bitsSet;
    if (bitsSet < 1.5 * this.#bitsAtFirst + (this.#filterBytes * 8) / 10) return false;
    this.#bitsAtFirst = undefined;
    this.#arena.bytes(this.fields[patchState.filter / 4] ?? 0, this.#filterBytes).fill(0);
    this.fields[patchState.filterSet / 4] = 0;
    for (const { unindexed, shadowed, pageCount } of sources) {
      for (const { first, count } of shadowed.runs(pageCount)) unindexed.setRange(first, count);
    }
    return true;
  }

  /** Where the ring stands, for `rewind`. */
  get pushes(): number {
    return this.fields[patchState.pushes / 4] ?? 0;
  }

  /** What was pushed since `pushes` was read will never be pushed at the destination. Nothing of the ring is sure to be equal then. */
  rewind(pushes: number): void {
    if (pushes === this.pushes) return;
    this.fields[patchState.pushes / 4] = pushes;
    this.fields[patchState.filled / 4] = 0;
  }
}
