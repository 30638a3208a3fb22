import type { Arena } from '../core/arena.js';
import { FerryError } from '../errors.js';
import { AreaPool } from '../memory/area-pool.js';
import type { HashKey } from '../memory/page-hashes.js';
import { pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import { SourceRegion } from '../memory/source-region.js';

/** A region that grew, appeared, or vanished (byteLength -1). */
export interface RegionChange {
  readonly id: number;
  readonly name: string;
  readonly byteLength: number;
}

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

  /** RangeError if there is no such region. */
  get(id: number): SourceRegion {
    const source = this.find(id);
    if (source === undefined) throw new RangeError(`no region ${id}`);
    return source;
  }

  /** All its pages are dirty, of a base taken to be zero. RangeError if its id is taken. */
  add(region: Region, shadowPages: number): SourceRegion {
    if (this.find(region.id) !== undefined) {
      throw new RangeError(`two regions have the id ${region.id}`);
    }
    const source = new SourceRegion(this.#arena, this.#pool, this.#key, region, shadowPages);
    source.grow(region.byteLength);
    this.#sources = [...this.#sources, source].sort((a, b) => a.id - b.id);
    return source;
  }

  /** See `CaptureEngine.syncRegions`; `dropped` is told of each region that vanished. */
  follow(regions: readonly Region[], dropped: (source: SourceRegion) => void): RegionChange[] {
    const changes: RegionChange[] = [];
    const present = new Map(regions.map((region) => [region.id, region]));
    for (const source of this.#sources) {
      const { id, region } = source;
      if (present.get(id) !== region) {
        dropped(source);
        this.#remove(source);
        changes.push({ id, name: region.name, byteLength: -1 });
        continue;
      }
      present.delete(id);
      if (grow(source)) changes.push({ id, name: region.name, byteLength: source.byteLength });
    }
    for (const region of present.values()) {
      const capacityPages = pageCountOf(region.maxByteLength);
      const shadowPages = capacityPages <= this.#shadowPagesLeft ? capacityPages : 0;
      const { byteLength } = this.add(region, shadowPages);
      this.#shadowPagesLeft -= shadowPages;
      changes.push({ id: region.id, name: region.name, byteLength });
    }
    // The sort is stable: an id that was given anew vanishes before it appears.
    return changes.sort((a, b) => a.id - b.id);
  }

  #remove(source: SourceRegion): void {
    this.#sources = this.#sources.filter((other) => other !== source);
    this.#shadowPagesLeft += source.shadowPages;
    source.free();
  }
}

/** Takes over how long a region is now. Whether it grew. */
function grow(source: SourceRegion): boolean {
  const { region } = source;
  const { byteLength } = region;
  if (byteLength === source.byteLength) return false;
  const what = `region ${region.id} "${region.name}"`;
  if (byteLength < source.byteLength) {
    throw new FerryError(
      'ERR_SOURCE_CHANGED',
      `${what} shrank from ${source.byteLength} to ${byteLength} bytes`,
    );
  }
  if (pageCountOf(byteLength) > source.capacityPages) {
    throw new FerryError(
      'ERR_REGION_TOO_LARGE',
      `${what} grew to ${byteLength} bytes, beyond its maximum`,
    );
  }
  source.grow(byteLength);
  return true;
}
