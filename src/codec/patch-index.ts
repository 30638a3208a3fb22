import type { Arena } from '../core/arena.js';
import { patchState } from '../core/kernel-exports.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { SourceRegion } from '../memory/source-region.js';
import { PatchRing } from './patch-ring.js';

const blockBytes = 16;
/** A u32 each: 0.28 of what is indexed. */
const slotsPerPage = 288;
/** What the kernels look up together: 128 places, 16 bytes each. */
const looksBytes = 128 * 16;
const scratchBytes = PAGE_BYTES + 64;
/** What a try costs at the least, bytes: on a link however slow. */
export const LEAST_TRY_COST = 64;
/** Worth some dozens of tries before one has succeeded. */
const firstCredit = 4096;

/**
 * The source's side of patches: where in the shadow a piece of content was seen last, and the ring. Takes 0.28 of the shadow pages it is
 * made for, and 4 bytes for each page of the arena.
 */
export class PatchIndex extends PatchRing {
  readonly #arena: Arena;
  /** Pages indexed since all of them were; undefined before. */
  #pagesAdded: number | undefined;

  /** Bytes of arena taken, in an arena of `arenaBytes` in all. */
  static byteLengthFor(shadowPages: number, arenaBytes: number): number {
    const pushOfBytes = (Math.ceil(arenaBytes / PAGE_BYTES) + 1) * 4;
    const tableBytes = shadowPages * slotsPerPage * 4;
    return PatchRing.byteLength + tableBytes + pushOfBytes + looksBytes + scratchBytes + 4 * 64;
  }

  /** `shadowPages`: how many pages it is laid out for. More may be indexed; the oldest then give way sooner. */
  constructor(arena: Arena, shadowPages: number) {
    super(arena);
    this.#arena = arena;
    const fields = this.fields;
    const arenaBytes = arena.memory.buffer.byteLength;
    const slots = shadowPages * slotsPerPage;
    fields[patchState.table / 4] = arena.alloc(slots * 4, 64);
    fields[patchState.slots / 4] = slots;
    fields[patchState.blockBits / 4] = Math.ceil(Math.log2(arenaBytes / blockBytes));
    fields[patchState.looks / 4] = arena.alloc(looksBytes, 64);
    fields[patchState.pushOf / 4] = arena.alloc((arenaBytes / PAGE_BYTES) * 4, 64);
    fields[patchState.scratch / 4] = arena.alloc(scratchBytes, 64);
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
    const indexed = maxPages - left;
    if (this.#pagesAdded !== undefined) this.#pagesAdded += indexed;
    return indexed;
  }

  /**
   * For moments in which everything there is was captured and indexed. What is added takes the place of what is older, and still there: once
   * half as many pages were added as there are, every page waits to be indexed anew. Whether that was done.
   */
  renew(sources: readonly SourceRegion[]): boolean {
    this.#pagesAdded ??= 0;
    const pages = sources.reduce(
      (sum, { shadowed, pageCount }) => sum + shadowed.count(pageCount),
      0,
    );
    if (this.#pagesAdded * 2 <= pages) return false;
    this.#pagesAdded = -pages;
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
    this.clear();
  }

  /** Nothing that stands in the ring is copied from any more. Its numbers go on: what is known of older pushes stays older. */
  clear(): void {
    this.fields[patchState.filled / 4] = 0;
  }
}
