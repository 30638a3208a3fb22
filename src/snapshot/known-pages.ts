import { FerryError } from '../errors.js';
import type { Catalog } from './catalog.js';
import type { ObjectReader } from './object-reader.js';
import type { PackIndex } from './pack-index.js';
import { type PageBatchState, sameId } from './page-batch.js';
import type { PageFinder } from './page-finder.js';
import type { PageTable } from './page-table.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import type { PlacedRegion } from './region-places.js';
import { SEGMENT_PAGES } from './table-segment.js';

/** Finds what of a batch the parent has, or else the store. */
export class KnownPages {
  readonly #catalog: Catalog;
  readonly #objects: ObjectReader;
  readonly #finder: PageFinder;
  readonly #excluded: Set<number>;
  readonly #table: PageTable | undefined;
  readonly #candidates = new Uint16Array(8);

  /** `excluded`: packs that nothing new may refer to; one that cannot be read is added. `table`: the parent's. */
  constructor(
    catalog: Catalog,
    objects: ObjectReader,
    finder: PageFinder,
    excluded: Set<number>,
    table: PageTable | undefined,
  ) {
    this.#catalog = catalog;
    this.#objects = objects;
    this.#finder = finder;
    this.#excluded = excluded;
    this.#table = table;
  }

  /** Where the parent has these pages; those that are equal have their place with it. Returns how many are. */
  async findInParent(
    batch: PageBatchState,
    parent: PlacedRegion['parent'],
    pages: Uint32Array,
  ): Promise<number> {
    const table = this.#table;
    if (parent === undefined || table === undefined) return 0;
    let same = 0;
    let number = -1;
    let segment: Uint32Array | undefined;
    let pack = 0;
    let index: PackIndex | undefined;
    for (let page = 0; page < pages.length; page++) {
      if ((pages[page] as number) >= parent.pages) break;
      const at = parent.firstPage + (pages[page] as number);
      const needed = Math.floor(at / SEGMENT_PAGES);
      if (segment === undefined || needed !== number) {
        number = needed;
        segment = table.peek(number) ?? (await table.segment(number));
      }
      const place = segment[at % SEGMENT_PAGES] as number;
      if (place === 0) continue;
      if (index === undefined || packOf(place) !== pack) {
        pack = packOf(place);
        index = await this.#indexOf(pack);
      }
      // What cannot be read is not referred to again: it is stored anew.
      if (index === undefined || ordinalOf(place) >= index.count) continue;
      batch.before[page] = place;
      if (sameId(index.words, 4 * ordinalOf(place), batch.ids, 4 * page)) {
        batch.places[page] = place;
        same++;
      }
    }
    return same;
  }

  /** Which of the others the store has. Returns how many. */
  async findInStore({ count, ids, places }: PageBatchState): Promise<number> {
    let known = 0;
    for (let page = 0; page < count; page++) {
      if (places[page] !== 0) continue;
      const [word0, word1] = [ids[4 * page] as number, ids[4 * page + 1] as number];
      const found = this.#finder.find(word0, word1, this.#candidates);
      for (let candidate = 0; candidate < found; candidate++) {
        const pack = this.#candidates[candidate] as number;
        if (this.#excluded.has(pack)) continue;
        const index = this.#catalog.peek(pack) ?? (await this.#indexOf(pack));
        const ordinal = index?.find(ids, 4 * page) ?? -1;
        if (index === undefined || ordinal < 0) continue;
        const place = placeOf(pack, ordinal);
        if (index.depth(ordinal) > 0 && !(await this.#isUsable(place))) continue;
        places[page] = place;
        known++;
        break;
      }
    }
    return known;
  }

  /** The index, or undefined where it cannot be read: nothing refers to that pack from then on. */
  async #indexOf(pack: number): Promise<PackIndex | undefined> {
    if (this.#excluded.has(pack)) return undefined;
    try {
      return await this.#catalog.index(pack);
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== 'ERR_STORE_CORRUPT') throw error;
      this.#excluded.add(pack);
      return undefined;
    }
  }

  /** Whether everything that a delta is built on may be referred to. */
  async #isUsable(place: number): Promise<boolean> {
    try {
      const chain = await this.#objects.chain(place);
      return chain.every((part) => !this.#excluded.has(packOf(part)));
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return false;
      throw error;
    }
  }
}
