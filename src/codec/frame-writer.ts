import type { Arena } from '../core/arena.js';
import { pageKind } from '../core/kernel-exports.js';
import type { DestinationRegion } from '../memory/destination-region.js';
import type { HashKey } from '../memory/page-hashes.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { writePages } from '../memory/read-pages.js';
import type { Breathe } from './breathe.js';
import { BuiltPages } from './built-pages.js';
import { PageScratch } from './page-scratch.js';
import type { PatchRing } from './patch-ring.js';
import { PatchedPages } from './patched-pages.js';
import type { RunRecords } from './run-records.js';
import { zeroPages } from './zero-runs.js';

/** What applying a frame did. */
export interface Applied {
  readonly pages: number;
  /** Bytes of memory that these pages are; a partial last page counts what it has. */
  readonly bytes: number;
}

const scratchPages = 256;

/** Carries out checked runs in the destination's regions. */
export class FrameWriter {
  readonly #arena: Arena;
  readonly #runs: RunRecords;
  readonly #key: HashKey;
  readonly #zeros: PageScratch;
  readonly #compareScratch: PageScratch;
  readonly #built: BuiltPages;
  readonly #patched: PatchedPages | undefined;
  readonly #breathe: Breathe;
  /** Pages since it was asked. */
  #breathless = 0;

  /** Bytes of arena taken. */
  static readonly byteLength: number =
    4 * PageScratch.byteLength(scratchPages) + PatchedPages.byteLength;

  /** Without a ring there are no patches. */
  constructor(
    arena: Arena,
    runs: RunRecords,
    key: HashKey,
    ring: PatchRing | undefined,
    breathe: Breathe = () => undefined,
  ) {
    this.#breathe = breathe;
    this.#arena = arena;
    this.#runs = runs;
    this.#key = key;
    this.#zeros = new PageScratch(arena, scratchPages);
    this.#compareScratch = new PageScratch(arena, scratchPages);
    const scratch = () => new PageScratch(arena, scratchPages);
    this.#built = new BuiltPages(arena, runs, scratch(), key.secret, ring?.state ?? 0);
    this.#patched =
      ring === undefined
        ? undefined
        : new PatchedPages(arena, runs, scratch(), key.secret, ring.state, breathe);
  }

  /** Carries out the first `runCount` runs, which were checked against these regions: ascending, no page twice. */
  async write(targets: readonly DestinationRegion[], runCount: number): Promise<Applied> {
    // What a frame that failed half-way left is not this one's.
    this.#built.clear();
    const writes: Promise<void>[] = [];
    try {
      return await this.#writeRuns(targets, runCount, writes);
    } finally {
      // Whatever failed: nothing is written behind the frame's end.
      if (writes.length > 0) await Promise.allSettled(writes);
    }
  }

  /** `writes` gets those that were begun and not waited for: raw pages of regions that are written asynchronously all go at once. */
  async #writeRuns(
    targets: readonly DestinationRegion[],
    runCount: number,
    writes: Promise<void>[],
  ): Promise<Applied> {
    let pages = 0;
    let bytes = 0;
    const runs = this.#runs;
    for (let run = 0; run < runCount; run++) {
      const target = targets[runs.get(run, 'region')];
      if (target === undefined) continue;
      const first = runs.get(run, 'firstPage');
      const count = runs.get(run, 'count');
      const kind = runs.get(run, 'kind');
      pages += count;
      bytes += Math.min((first + count) * PAGE_BYTES, target.byteLength) - first * PAGE_BYTES;
      if (kind === pageKind.raw) {
        const writing = this.#writeRaw(target, run, first, count);
        if (writing !== undefined) {
          // One that fails while another run is waited for is told of at the end; to the system it would be a failure that nobody handles.
          writing.catch(() => {});
          writes.push(writing);
        }
      } else if (kind === pageKind.zero) {
        target.hashes.set(first, this.#key.zeroHash, count);
        for (let done = 0; done < count; done += scratchPages) {
          const part = Math.min(scratchPages, count - done);
          const zeroing = zeroPages(target, first + done, part, this.#compareScratch, this.#zeros);
          if (zeroing !== undefined) await zeroing;
          const pause = this.#pause(part);
          if (pause !== undefined) await pause;
        }
      } else if (kind === pageKind.patch && this.#patched !== undefined) {
        // It may copy from any page before it in the frame, and what they replaced goes to the ring before what it replaces.
        if (!this.#built.isEmpty) await this.#built.flush();
        if (writes.length > 0) await Promise.all(writes);
        for (let done = 0; done < count; done += scratchPages) {
          const part = Math.min(scratchPages, count - done);
          const patching = this.#patched.write(target, run, first + done, part);
          if (patching !== undefined) await patching;
          const pause = this.#pause(part);
          if (pause !== undefined) await pause;
        }
      } else {
        const building = this.#build(target, run, first, count);
        if (building !== undefined) await building;
        const pause = this.#pause(Math.min(count, scratchPages));
        if (pause !== undefined) await pause;
      }
    }
    if (!this.#built.isEmpty) await this.#built.flush();
    if (writes.length > 0) await Promise.all(writes);
    return { pages, bytes };
  }

  /** Raw pages go from the frame straight to the region. */
  #writeRaw(
    target: DestinationRegion,
    run: number,
    first: number,
    count: number,
  ): Promise<void> | undefined {
    const { region, byteLength } = target;
    const bytes = this.#arena.bytes(this.#runs.get(run, 'payload'), count * PAGE_BYTES);
    this.#runs.put(run, 'hashes', target.hashes.address + first * 8);
    this.#arena.kernels.apply(this.#runs.addressOf(run), 1, this.#key.secret, 0);
    target.noteWritten(first, count);
    return writePages({ region, byteLength, first, count }, bytes);
  }

  /** Fill and delta runs, in parts where they are longer than the scratch. */
  #build(
    target: DestinationRegion,
    run: number,
    first: number,
    count: number,
  ): Promise<void> | undefined {
    if (this.#built.hasRoom(count)) {
      this.#built.add(target, run, first, count);
      return undefined;
    }
    return this.#buildInParts(target, run, first, count);
  }

  async #buildInParts(
    target: DestinationRegion,
    run: number,
    first: number,
    count: number,
  ): Promise<void> {
    for (let done = 0; done < count; ) {
      // A record describes one part at a time.
      await this.#built.flush();
      done += this.#built.add(target, run, first + done, count - done);
      const pause = this.#pause(scratchPages);
      if (pause !== undefined) await pause;
    }
  }

  /** What to wait for, so many pages on, so that others have a turn. */
  #pause(pages: number): Promise<void> | undefined {
    this.#breathless += pages;
    if (this.#breathless < scratchPages) return undefined;
    this.#breathless = 0;
    return this.#breathe();
  }
}
