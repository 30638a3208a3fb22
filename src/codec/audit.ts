import type { Arena } from '../core/arena.js';
import { FerryError } from '../errors.js';
import type { HashKey } from '../memory/page-hashes.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { readPages } from '../memory/read-pages.js';
import type { SourceRegion } from '../memory/source-region.js';

const chunkPages = 64;

interface Suspect {
  readonly source: SourceRegion;
  readonly page: number;
}

/**
 * Checks an exact tracker's promise: pages that it does not name are compared with the hash they were captured with, each page once.
 * A writer stores first and marks after, so a page that differs may only be a mark that is still to come: it is a suspect until the
 * marks were taken again; in a region that other threads write, until the guest is paused.
 */
export class Audit {
  readonly #arena: Arena;
  readonly #key: HashKey;
  readonly #scratch: number;
  readonly #bytes: Uint8Array;
  readonly #found: number;
  /** The hashes found, as halves. */
  readonly #hashWords: Uint32Array;
  /** Where the next look begins. Pages that are always dirty would else be met again and again. */
  #source: SourceRegion | undefined;
  #page = 0;
  #suspects: Suspect[] = [];
  #missed: Suspect | undefined;

  /** Bytes of arena taken. */
  static readonly byteLength: number = (chunkPages + 1) * PAGE_BYTES + chunkPages * 8 + 64;

  constructor(arena: Arena, key: HashKey) {
    this.#arena = arena;
    this.#key = key;
    this.#scratch = arena.alloc(chunkPages * PAGE_BYTES, PAGE_BYTES);
    this.#bytes = arena.bytes(this.#scratch, chunkPages * PAGE_BYTES);
    this.#found = arena.alloc(chunkPages * 8, 8);
    this.#hashWords = arena.u32(this.#found, 2 * chunkPages);
  }

  /**
   * Looks at up to about `maxPages` pages that were not looked at yet, going on where it ended last and once around at most. Dirty ones
   * are left for later. Throws what `settled` found.
   */
  async look(sources: readonly SourceRegion[], maxPages: number): Promise<void> {
    this.#throwIfMissed();
    const last = this.#source === undefined ? -1 : sources.indexOf(this.#source);
    const from = last < 0 ? 0 : this.#page;
    let left = maxPages;
    for (let step = 0; step <= sources.length && left > 0; step++) {
      const source = sources[(Math.max(0, last) + step) % sources.length];
      if (source === undefined || source.unaudited.size === 0) continue;
      const end = step === sources.length ? from : source.pageCount;
      left = await this.#lookIn(source, step === 0 ? from : 0, end, left);
    }
  }

  /** Looks at up to about `maxPages` of the waiting pages from `from` on and below `end`. Returns how many may still be looked at. */
  async #lookIn(
    source: SourceRegion,
    from: number,
    end: number,
    maxPages: number,
  ): Promise<number> {
    let left = maxPages;
    let run = source.unaudited.nextRun(from, end, chunkPages);
    while (run !== undefined && left > 0) {
      const { first, count } = run;
      const { region, byteLength } = source;
      const stretch = { region, byteLength, first, count };
      const reading = readPages(stretch, this.#bytes, 'ERR_SOURCE_CHANGED');
      if (reading !== undefined) await reading;
      this.#compare(source, first, count);
      left -= count;
      run = source.unaudited.nextRun(first + count, end, chunkPages);
    }
    return left;
  }

  /** The pages were just read. Bits are looked at a stretch at a time: whatever is done for each page is most of the work. */
  #compare(source: SourceRegion, first: number, count: number): void {
    const { dirty, unaudited, hashes } = source;
    const end = first + count;
    this.#source = source;
    this.#page = end;
    this.#arena.kernels.hashPages(this.#scratch, count, this.#found, this.#key.secret);
    unaudited.remove(first, count);
    for (let page = dirty.next(first, end); page < end; page = dirty.next(page + 1, end)) {
      unaudited.add(page, 1);
    }
    for (let page = first; page < end; page++) {
      if (hashes.isSame(page, this.#hashWords, page - first) || dirty.test(page)) continue;
      this.#suspects.push({ source, page });
    }
  }

  /**
   * The marks were just taken: suspects that are dirty now are cleared of suspicion. Those that are not were missed, where no other
   * thread can be between its store and its mark.
   */
  settled(isPaused: boolean): void {
    const remaining: Suspect[] = [];
    for (const suspect of this.#suspects) {
      if (suspect.source.dirty.test(suspect.page)) continue;
      if (isPaused || !suspect.source.region.concurrent) this.#missed ??= suspect;
      remaining.push(suspect);
    }
    this.#suspects = remaining;
  }

  #throwIfMissed(): void {
    if (this.#missed === undefined) return;
    const { source, page } = this.#missed;
    const { region, firstPage } = source.framed;
    throw new FerryError(
      'ERR_MISSED_WRITE',
      `page ${firstPage + page} of region ${region} "${source.region.name}" changed, but its tracker did not say so`,
    );
  }

  /** With the guest paused and its last marks taken: looks at the rest, and throws if any suspect is left. */
  async settle(sources: readonly SourceRegion[]): Promise<void> {
    await this.look(sources, Number.POSITIVE_INFINITY);
    this.settled(true);
    this.#throwIfMissed();
  }

  /** A region vanished. */
  drop(source: SourceRegion): void {
    this.#suspects = this.#suspects.filter((suspect) => suspect.source !== source);
    if (this.#missed?.source === source) this.#missed = undefined;
    if (this.#source === source) this.#source = undefined;
  }
}
