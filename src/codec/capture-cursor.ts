import type { SourceRegion } from '../memory/source-region.js';
import type { PageClaims } from './page-claims.js';

/** Where the next frame of one channel begins. */
export class CaptureCursor {
  readonly #channel: number;
  readonly #claims: PageClaims | undefined;
  #source = 0;
  #page = 0;

  /** Without `claims` all pages are the channel's. */
  constructor(channel: number, claims: PageClaims | undefined) {
    this.#channel = channel;
    this.#claims = claims;
  }

  /** The page it stands at. */
  get page(): number {
    return this.#page;
  }

  /**
   * Moves on to the next dirty page that the channel may send, and gives its region; wraps to the start only between frames, whose pages
   * ascend.
   */
  seek(sources: readonly SourceRegion[], mayWrap: boolean): SourceRegion | undefined {
    const wrapped = this.#source === 0 && this.#page === 0;
    for (; this.#source < sources.length; this.#source++, this.#page = 0) {
      const source = sources[this.#source];
      if (source === undefined) break;
      const page = this.#nextDirty(source, this.#page);
      if (page < source.pageCount) {
        this.#page = page;
        return source;
      }
    }
    this.#source = 0;
    this.#page = 0;
    return mayWrap && !wrapped ? this.seek(sources, false) : undefined;
  }

  /** Where the pages end that the channel has in one piece from here on in `source`, which it found: at least one, and of those it claims about `most`. */
  claim(source: SourceRegion, most: number): number {
    return this.#claims?.claim(source, this.#channel, this.#page, most) ?? source.pageCount;
  }

  /** The pages before `page` of the same region, were captured: dirty ones among them are dirty again, and have to wait for the next sweep. */
  pass(page: number): void {
    this.#page = page;
  }

  /** Whether there is a dirty page anywhere that the channel may send. */
  hasDirty(sources: readonly SourceRegion[]): boolean {
    const at = sources[this.#source];
    // Most often what is next is near: only the end of a sweep looks everywhere.
    if (at !== undefined && this.#nextDirty(at, this.#page) < at.pageCount) return true;
    return sources.some((source) => this.#nextDirty(source, 0) < source.pageCount);
  }

  /** The first dirty page from `page` on that the channel may send; at least the region's page count if there is none. */
  #nextDirty(source: SourceRegion, page: number): number {
    const { dirty, pageCount } = source;
    for (let from = page; ; ) {
      if (from >= pageCount) return pageCount;
      const next = dirty.next(from, pageCount);
      if (this.#claims === undefined || next >= pageCount) return next;
      from = this.#claims.next(source, this.#channel, next);
      if (from === next) return next;
    }
  }
}
