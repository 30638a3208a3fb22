import type { Arena } from '../core/arena.js';
import type { AreaPool } from './area-pool.js';
import { DirtyBitmap } from './bitmap.js';
import { PageBacklog } from './page-backlog.js';
import { type HashKey, PageHashes } from './page-hashes.js';
import { PAGE_BYTES, pageCountOf } from './pages.js';
import type { RegionPiece } from './region-piece.js';

/** What the source knows of one region: its page hashes, shadow, and five bits a page. All in the arena. */
export class SourceRegion {
  readonly id: number;
  /** As last seen in the guest's list. */
  readonly region: RegionPiece;
  /** What frames call the region and its first page: `id` and 0, but for a piece. */
  readonly framed: { readonly region: number; readonly firstPage: number };
  readonly capacityPages: number;
  readonly hashes: PageHashes;
  /** Pages that may differ from what was captured last. */
  readonly dirty: DirtyBitmap;
  /** Pages of which the destination holds, or will hold in order, what the hash and the shadow say. */
  readonly baseKnown: DirtyBitmap;
  /** Pages that no audit has looked at yet. */
  readonly unaudited: PageBacklog;
  /** Pages whose content is to be indexed for patches. */
  readonly unindexed: DirtyBitmap;
  /** Pages whose shadow was ever written. */
  readonly shadowed: DirtyBitmap;
  /** Address of the shadow of page 0, and how many pages from there have room for one. */
  readonly shadow: number;
  readonly shadowPages: number;
  readonly #pool: AreaPool;
  readonly #address: number;
  #byteLength = 0;
  #pageCount = 0;

  /** Bytes of arena taken for the region, without shadow. */
  static byteLength(capacityPages: number): number {
    return PageHashes.byteLength(capacityPages) + 5 * DirtyBitmap.byteLength(capacityPages);
  }

  /** It has no pages yet: see `grow`. ERR_NO_CAPACITY if the arena cannot hold its maximum. */
  constructor(
    arena: Arena,
    pool: AreaPool,
    key: HashKey,
    region: RegionPiece,
    shadowPages: number,
  ) {
    const capacityPages = pageCountOf(region.maxByteLength);
    const bitmapBytes = DirtyBitmap.byteLength(capacityPages);
    let at = pool.take(SourceRegion.byteLength(capacityPages));
    this.id = region.id;
    this.region = region;
    this.framed = region.partOf ?? { region: region.id, firstPage: 0 };
    this.capacityPages = capacityPages;
    this.#pool = pool;
    this.#address = at;
    this.hashes = new PageHashes(arena, key, capacityPages, at);
    at += PageHashes.byteLength(capacityPages);
    this.dirty = new DirtyBitmap(arena, capacityPages, at);
    at += bitmapBytes;
    this.baseKnown = new DirtyBitmap(arena, capacityPages, at);
    at += bitmapBytes;
    this.unaudited = new PageBacklog(arena, capacityPages, at);
    at += bitmapBytes;
    this.unindexed = new DirtyBitmap(arena, capacityPages, at);
    at += bitmapBytes;
    this.shadowed = new DirtyBitmap(arena, capacityPages, at);
    this.shadowPages = shadowPages;
    this.shadow = shadowPages === 0 ? 0 : pool.take(shadowPages * PAGE_BYTES);
  }

  /** Bytes of the region that are migrated: what the destination was told. */
  get byteLength(): number {
    return this.#byteLength;
  }

  get pageCount(): number {
    return this.#pageCount;
  }

  /** Bytes of `page` inside the region: 4096, but for the last page. */
  bytesOf(first: number, count: number): number {
    return Math.min((first + count) * PAGE_BYTES, this.#byteLength) - first * PAGE_BYTES;
  }

  /** From now on the region is `byteLength` long, at least as much as before. New pages are dirty, of a base known to be zero. */
  grow(byteLength: number): void {
    const before = this.#pageCount;
    const pageCount = pageCountOf(byteLength);
    // The old last page may have been partial: what follows its bytes is no longer padding.
    if (before > 0) this.dirty.set(before - 1);
    this.hashes.resize(pageCount);
    this.dirty.setRange(before, pageCount - before);
    this.baseKnown.setRange(before, pageCount - before);
    this.unaudited.add(before, pageCount - before);
    this.#byteLength = byteLength;
    this.#pageCount = pageCount;
  }

  /** Gives its areas back; it must not be used again. */
  free(): void {
    this.#pool.give(this.#address, SourceRegion.byteLength(this.capacityPages));
    if (this.shadow !== 0) this.#pool.give(this.shadow, this.shadowPages * PAGE_BYTES);
  }
}
