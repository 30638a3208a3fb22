import type { SourceRegion } from '../memory/source-region.js';
import { WINDOW_PAGES } from './capture-window.js';

/**
 * Where the next frame of one channel begins. Windows of 256 pages belong to the channels in turn, beginning with the channel that is the
 * region's id modulo their number.
 */
export class CaptureCursor {
  readonly #channel: number;
  readonly #channels: number;
  #source = 0;
  #page = 0;

  constructor(channel: number, channels: number) {
    this.#channel = channel;
    this.#channels = channels;
  }

  /** The page it stands at. */
  get page(): number {
    return this.#page;
  }

  /**
   * Moves on to the next dirty page, and gives its region; wraps to the start only between frames, whose pages
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

  /** The pages before `page` of the same region, were captured: dirty ones among them are dirty again, and have to wait for the next sweep. */
  pass(page: number): void {
    this.#page = page;
  }

  /** Whether the channel has a dirty page anywhere. */
  hasDirty(sources: readonly SourceRegion[]): boolean {
    const at = sources[this.#source];
    // Most often what is next is near: only the end of a sweep looks everywhere.
    if (at !== undefined && this.#nextDirty(at, this.#page) < at.pageCount) return true;
    return sources.some((source) => this.#nextDirty(source, 0) < source.pageCount);
  }

  /** The channel's first dirty page from `page` on; at least the region's page count if there is none. */
  #nextDirty({ dirty, id, pageCount }: SourceRegion, page: number): number {
    const channels = this.#channels;
    for (let next = page; ; ) {
      next = dirty.next(next, pageCount);
      if (channels === 1 || next >= pageCount) return next;
      const window = Math.floor(next / WINDOW_PAGES);
      const ahead = (this.#channel - ((id + window) % channels) + channels) % channels;
      if (ahead === 0) return next;
      next = (window + ahead) * WINDOW_PAGES;
      if (next >= pageCount) return pageCount;
    }
  }
}
