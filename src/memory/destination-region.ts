import type { Arena } from '../core/arena.js';
import type { AreaPool } from './area-pool.js';
import { DirtyBitmap } from './bitmap.js';
import { PageBacklog } from './page-backlog.js';
import { type HashKey, PageHashes } from './page-hashes.js';
import { pageCountOf } from './pages.js';
import type { Region } from './region.js';

/** What the destination knows of one region: its page hashes and two bits a page. All in the arena. */
export class DestinationRegion {
  readonly id: number;
  region: Region;
  /** Every byte was zero when it was taken over. Read then: regions stop being fresh when their bytes are handed out. */
  readonly wasFresh: boolean;
  readonly capacityPages: number;
  readonly hashes: PageHashes;
  /** Pages written at least once. */
  readonly written: DirtyBitmap;
  /** Pages whose content was never read back to see that it hashes as it should. */
  readonly unread: PageBacklog;
  readonly #pool: AreaPool;
  readonly #address: number;
  #byteLength = 0;
  #pageCount = 0;

  /** Bytes of arena taken. */
  static byteLength(capacityPages: number): number {
    return PageHashes.byteLength(capacityPages) + 2 * DirtyBitmap.byteLength(capacityPages);
  }

  constructor(arena: Arena, pool: AreaPool, key: HashKey, region: Region, isFresh = false) {
    const capacityPages = pageCountOf(region.maxByteLength);
    let at = pool.take(DestinationRegion.byteLength(capacityPages));
    this.id = region.id;
    this.region = region;
    this.wasFresh = isFresh;
    this.capacityPages = capacityPages;
    this.#pool = pool;
    this.#address = at;
    this.hashes = new PageHashes(arena, key, capacityPages, at);
    at += PageHashes.byteLength(capacityPages);
    this.written = new DirtyBitmap(arena, capacityPages, at);
    at += DirtyBitmap.byteLength(capacityPages);
    this.unread = new PageBacklog(arena, capacityPages, at);
    this.grow(region.byteLength);
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  get pageCount(): number {
    return this.#pageCount;
  }

  /** The region is `byteLength` long, at least as much as before; new bytes are zero. */
  grow(byteLength: number): void {
    this.#byteLength = byteLength;
    this.#pageCount = pageCountOf(byteLength);
    this.hashes.resize(this.#pageCount);
  }

  /** The page is zero and was never written. */
  isUntouched(page: number): boolean {
    return this.wasFresh && !this.written.test(page);
  }

  /** These pages and their hashes were written. Each page has to be read back once. */
  noteWritten(first: number, count: number): void {
    this.hashes.touch(first, count);
    const end = first + count;
    for (let at = first; at < end; ) {
      const before = this.written.nextRun(at, end) ?? { first: end, count: 0 };
      this.unread.add(at, before.first - at);
      at = before.first + before.count;
    }
    this.written.setRange(first, count);
  }

  /** Gives its areas back; it must not be used again. */
  free(): void {
    this.#pool.give(this.#address, DestinationRegion.byteLength(this.capacityPages));
  }
}
