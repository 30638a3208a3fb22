import { encodeXbzrle } from '../codec/xbzrle.js';
import { FerryError } from '../errors.js';
import type { Catalog } from './catalog.js';
import type { ObjectReader } from './object-reader.js';
import { MAX_DEPTH } from './pack-index.js';
import type { PackSupply } from './pack-supply.js';
import type { PackWriter } from './pack-writer.js';
import type { PageBatchState } from './page-batch.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import { type BlockBytes, MAX_BATCH_PAGES, STORE_PAGE_BYTES } from './types.js';

/** A delta that is longer is not worth what reading it costs. */
const maxDeltaBytes = 2048;
/** After so many tries in a row without success only every so-many-th page is tried. */
const patience = 64;

/** Puts the fresh pages of a batch into packs, as what differs from the parent's page where that is short. */
export class FreshPages {
  readonly #catalog: Catalog;
  readonly #objects: ObjectReader;
  readonly #packs: PackSupply;
  #fruitless = 0;
  readonly #deltaBytes = new Uint16Array(MAX_BATCH_PAGES);
  readonly #deltas = new Uint8Array(MAX_BATCH_PAGES * maxDeltaBytes);
  readonly #basePage = new Uint8Array(STORE_PAGE_BYTES);

  constructor(catalog: Catalog, objects: ObjectReader, packs: PackSupply) {
    this.#catalog = catalog;
    this.#objects = objects;
    this.#packs = packs;
  }

  /**
   * Stores the fresh pages of a batch: as they come compressed, if `block` is given and all are fresh and go whole, else one by one. Returns the number of
   * the pack they are in, and how many are deltas.
   */
  async store(
    batch: PageBatchState,
    fresh: number,
    bytes: Uint8Array,
    { deltas, block }: { readonly deltas: boolean; readonly block: BlockBytes | undefined },
  ): Promise<{ pack: number; deltas: number }> {
    const { ids, places, count } = batch;
    this.#deltaBytes.fill(0);
    const made = deltas ? await this.#makeDeltas(batch, bytes) : 0;
    const { number, writer } = await this.#packs.pack();
    if (block !== undefined && fresh === count && made === 0) {
      const first = await writer.addBlock(ids, count, block);
      for (let page = 0; page < count; page++) places[page] = placeOf(number, first + page);
    } else {
      await this.#addEach(batch, bytes, number, writer);
    }
    return { pack: number, deltas: made };
  }

  async #addEach(
    { ids, before, places, fresh, count }: PageBatchState,
    bytes: Uint8Array,
    number: number,
    writer: PackWriter,
  ): Promise<void> {
    for (let page = 0; page < count; page++) {
      if (fresh[page] === 0) continue;
      if (writer.needsFlush) await writer.flush();
      const length = this.#deltaBytes[page] as number;
      let ordinal: number;
      if (length > 0) {
        const base = before[page] as number;
        const depth = (await this.#catalog.index(packOf(base))).depth(ordinalOf(base)) + 1;
        const from = page * maxDeltaBytes;
        const delta = this.#deltas.subarray(from, from + length);
        const to = { pack: this.#catalog.id(packOf(base)), ordinal: ordinalOf(base) };
        ordinal = writer.add(ids, 4 * page, delta, to, depth);
      } else {
        const from = page * STORE_PAGE_BYTES;
        ordinal = writer.add(ids, 4 * page, bytes.subarray(from, from + STORE_PAGE_BYTES));
      }
      places[page] = placeOf(number, ordinal);
    }
  }

  /** Encodes how fresh pages differ from the parent's, where that is short. Returns how many. */
  async #makeDeltas({ before, fresh, count }: PageBatchState, bytes: Uint8Array): Promise<number> {
    let made = 0;
    for (let page = 0; page < count; page++) {
      const place = before[page] as number;
      if (fresh[page] === 0 || place === 0) continue;
      if (this.#fruitless >= patience && this.#fruitless++ % 16 !== 0) continue;
      const depth = (await this.#catalog.index(packOf(place))).depth(ordinalOf(place));
      if (depth >= MAX_DEPTH || !(await this.#readBase(place))) continue;
      const next = bytes.subarray(page * STORE_PAGE_BYTES, (page + 1) * STORE_PAGE_BYTES);
      const out = this.#deltas.subarray(page * maxDeltaBytes, (page + 1) * maxDeltaBytes);
      const length = encodeXbzrle(this.#basePage, next, out);
      if (length > 0) {
        this.#deltaBytes[page] = length;
        this.#fruitless = 0;
        made++;
      } else {
        this.#fruitless++;
      }
    }
    return made;
  }

  async #readBase(place: number): Promise<boolean> {
    try {
      await this.#objects.read(place, this.#basePage);
      return true;
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return false;
      throw error;
    }
  }
}
