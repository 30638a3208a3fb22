import type { Arena } from '../core/arena.js';
import { AreaPool } from '../memory/area-pool.js';
import type { HashKey } from '../memory/page-hashes.js';
import { pageCountOf } from '../memory/pages.js';
import type { RegionPiece } from '../memory/region-piece.js';
import { SourceRegion } from '../memory/source-region.js';
import { followRegions, type RegionChange } from './region-changes.js';

/** The regions that the source migrates, as the destination was told of them. */
export class SourceRegions {
  readonly #arena: Arena;
  readonly #pool: AreaPool;
  readonly #key: HashKey;
  #sources: SourceRegion[] = [];
  #shadowPagesLeft: number;

  /** `shadowPagesLeft`: what regions that appear later may have of shadow. */
  constructor(arena: Arena, key: HashKey, shadowPagesLeft: number) {
    this.#arena = arena;
    this.#pool = new AreaPool(arena);
    this.#key = key;
    this.#shadowPagesLeft = shadowPagesLeft;
  }

  /** Ascending by id, as regions are within a frame. Replaced, never changed, when regions come and go. */
  get list(): readonly SourceRegion[] {
    return this.#sources;
  }

  find(id: number): SourceRegion | undefined {
    return this.#sources.find((source) => source.id === id);
  }

  /** The one whose pages frames call those from `first` on of `region`, and which of its own pages that is. */
  framed(region: number, first: number): { source: SourceRegion; first: number } | undefined {
    for (const source of this.#sources) {
      const own = first - source.framed.firstPage;
      if (source.framed.region === region && own >= 0 && own < source.capacityPages) {
        return { source, first: own };
      }
    }
    return undefined;
  }

  /** RangeError if there is no such region. */
  get(id: number): SourceRegion {
    const source = this.find(id);
    if (source === undefined) throw new RangeError(`no region ${id}`);
    return source;
  }

  /** All its pages are dirty, of a base taken to be zero. RangeError if its id is taken. */
  add(region: RegionPiece, shadowPages: number): SourceRegion {
    if (this.find(region.id) !== undefined) {
      throw new RangeError(`two regions have the id ${region.id}`);
    }
    const source = new SourceRegion(this.#arena, this.#pool, this.#key, region, shadowPages);
    source.grow(region.byteLength);
    this.#sources = [...this.#sources, source].sort((a, b) => a.id - b.id);
    return source;
  }

  /** See `CaptureEngine.syncRegions`; `dropped` is told of each region that vanished. */
  follow(regions: readonly RegionPiece[], dropped: (source: SourceRegion) => void): RegionChange[] {
    return followRegions(this.#sources, regions, {
      vanished: (source) => {
        dropped(source);
        this.#remove(source);
      },
      grew: (source, byteLength) => source.grow(byteLength),
      appeared: (region) => {
        const capacityPages = pageCountOf(region.maxByteLength);
        const shadowPages = capacityPages <= this.#shadowPagesLeft ? capacityPages : 0;
        this.#shadowPagesLeft -= shadowPages;
        return this.add(region, shadowPages);
      },
    });
  }

  #remove(source: SourceRegion): void {
    this.#sources = this.#sources.filter((other) => other !== source);
    this.#shadowPagesLeft += source.shadowPages;
    source.free();
  }
}
