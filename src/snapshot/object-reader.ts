import { decodeXbzrle } from '../codec/xbzrle.js';
import type { Catalog } from './catalog.js';
import { MAX_DEPTH } from './pack-index.js';
import type { PackWriter } from './pack-writer.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import { corrupt } from './store-error.js';

/** Reads objects of packs, those of the pack under construction too, and builds pages from deltas. */
export class ObjectReader {
  readonly #catalog: Catalog;
  /** Number and writer of the pack under construction. */
  writing: { readonly number: number; readonly pack: PackWriter } | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Builds the page at `place` in `into`. */
  async read(place: number, into: Uint8Array): Promise<void> {
    const chain = await this.chain(place);
    const [whole, ...deltas] = chain.reverse();
    into.set(await this.stored(whole as number));
    for (const delta of deltas) {
      const bytes = await this.stored(delta);
      if (decodeXbzrle(bytes, into) < 0) {
        throw corrupt(
          `packs/${this.#catalog.id(packOf(delta))}.pack: object ${ordinalOf(delta)} is no delta`,
        );
      }
    }
  }

  /** `place` and what it is a delta to, and so on, up to one that stands whole. */
  async chain(place: number): Promise<number[]> {
    const chain = [place];
    let at = place;
    for (let limit = MAX_DEPTH + 1; ; ) {
      const index = await this.#catalog.index(packOf(at));
      const ordinal = ordinalOf(at);
      if (ordinal >= index.count) {
        throw corrupt(`packs/${index.pack}.index has no object ${ordinal}`);
      }
      const depth = index.depth(ordinal);
      // Depths fall along a chain: it ends, whatever a file says.
      if (depth >= limit) throw corrupt(`packs/${index.pack}.index: object ${ordinal} has no end`);
      if (depth === 0) return chain;
      limit = depth;
      const base = index.base(ordinal);
      at = placeOf(this.#catalog.number(base.pack), base.ordinal);
      chain.push(at);
    }
  }

  /** The object as it is in its block: a page or a delta. A view, valid until the next await of anything here. */
  async stored(place: number): Promise<Uint8Array> {
    const number = packOf(place);
    const ordinal = ordinalOf(place);
    const index = await this.#catalog.index(number);
    const block = index.blockOf(ordinal);
    const start = index.startInBlock(ordinal);
    const { writing } = this;
    if (writing?.number !== number) {
      const raw = await this.#catalog.block(number, block);
      return raw.subarray(start, start + index.length(ordinal));
    }
    const pending = writing.pack.pendingObject(ordinal);
    if (pending !== undefined) return pending.slice();
    return (await writing.pack.readBlock(block)).subarray(start, start + index.length(ordinal));
  }
}
