import { encodeXbzrle } from '../codec/xbzrle.js';
import { BlockCodec } from './block-codec.js';
import type { Catalog } from './catalog.js';
import type { StoreContext } from './context.js';
import { ObjectReader } from './object-reader.js';
import { PackWriter } from './pack-writer.js';
import type { PlaceSet } from './place-set.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import { STORE_PAGE_BYTES } from './types.js';

const maxDeltaBytes = 2048;

/** Which objects have to be moved so that all packs in `victims` can go, and no delta is based on what no page refers to. */
export class Repacker {
  readonly #context: StoreContext;
  readonly #catalog: Catalog;
  readonly #live: PlaceSet;
  readonly #victims: ReadonlySet<number>;
  readonly #objects: ObjectReader;
  readonly #codec = new BlockCodec();
  /** By old pack: new places of its objects, 0 where not moved. */
  readonly #moved = new Map<number, Uint32Array>();
  #pack: { readonly number: number; readonly writer: PackWriter } | undefined;
  readonly #page = new Uint8Array(STORE_PAGE_BYTES);
  readonly #base = new Uint8Array(STORE_PAGE_BYTES);
  readonly #delta = new Uint8Array(maxDeltaBytes);
  moves = 0;
  storedBytes = 0;

  /** `live`: all objects that pages refer to. */
  constructor(
    context: StoreContext,
    catalog: Catalog,
    live: PlaceSet,
    victims: ReadonlySet<number>,
  ) {
    this.#context = context;
    this.#catalog = catalog;
    this.#live = live;
    this.#victims = victims;
    this.#objects = new ObjectReader(catalog);
  }

  /** Where the live object at `place` is from now on: moved if it has to be. */
  async place(place: number): Promise<number> {
    const known = this.#moved.get(packOf(place))?.[ordinalOf(place)] ?? 0;
    if (known !== 0) return known;
    const chain = await this.#objects.chain(place);
    if (!mustMove(chain, this.#live, this.#victims)) return place;
    const moved = await this.#move(place, chain);
    let places = this.#moved.get(packOf(place));
    if (places === undefined) {
      places = new Uint32Array((await this.#catalog.index(packOf(place))).count);
      this.#moved.set(packOf(place), places);
    }
    places[ordinalOf(place)] = moved;
    this.moves++;
    return moved;
  }

  async finish(): Promise<void> {
    const pack = this.#pack;
    if (pack === undefined) return;
    this.storedBytes += await pack.writer.finish();
    this.#pack = undefined;
    this.#objects.writing = undefined;
    this.#catalog.unpin(pack.number);
  }

  async drop(): Promise<void> {
    await this.#pack?.writer.drop();
  }

  async #move(place: number, chain: readonly number[]): Promise<number> {
    const parent = chain.slice(1).find((part) => this.#live.has(part));
    if (parent === undefined) {
      await this.#objects.read(place, this.#page);
      return this.#add(place, this.#page.slice());
    }
    const base = await this.place(parent);
    const depth = (await this.#catalog.index(packOf(base))).depth(ordinalOf(base)) + 1;
    if (parent === chain[1]) {
      return this.#add(place, (await this.#objects.stored(place)).slice(), base, depth);
    }
    // What lies between is nobody's: one delta instead of several.
    await this.#objects.read(parent, this.#base);
    await this.#objects.read(place, this.#page);
    const length = encodeXbzrle(this.#base, this.#page, this.#delta);
    if (length <= 0) return this.#add(place, this.#page.slice());
    return this.#add(place, this.#delta.slice(0, length), base, depth);
  }

  async #add(place: number, bytes: Uint8Array, base = 0, depth = 0): Promise<number> {
    const { number, writer } = await this.#packFor();
    if (writer.needsFlush) await writer.flush();
    const { words } = await this.#catalog.index(packOf(place));
    const to =
      base === 0 ? undefined : { pack: this.#catalog.id(packOf(base)), ordinal: ordinalOf(base) };
    return placeOf(number, writer.add(words, 4 * ordinalOf(place), bytes, to, depth));
  }

  async #packFor(): Promise<{ readonly number: number; readonly writer: PackWriter }> {
    const held = this.#pack;
    const { files, sealer, compression, packBytes } = this.#context;
    if (held !== undefined) {
      if (!held.writer.isFull && held.writer.storedBytes < packBytes) return held;
      await this.finish();
    }
    const { folder } = this.#catalog;
    const writer = await PackWriter.create({
      files,
      folder,
      sealer,
      codec: this.#codec,
      compression,
    });
    const pack = { number: this.#catalog.pin(writer.index), writer };
    this.#pack = pack;
    this.#objects.writing = { number: pack.number, pack: writer };
    return pack;
  }
}

/** `chain`: the place of a live object and what it is built on. */
export function mustMove(
  chain: readonly number[],
  live: PlaceSet,
  victims: ReadonlySet<number>,
): boolean {
  return chain.some((part) => victims.has(packOf(part)) || !live.has(part));
}

/** Bytes of a pack's blocks, and of those what its objects in `live` take. */
export async function sizeOf(
  catalog: Catalog,
  pack: number,
  live: PlaceSet,
): Promise<{ storedBytes: number; liveBytes: number }> {
  const index = await catalog.index(pack);
  let stored = 0;
  let alive = 0;
  for (let block = 0; block < index.blockCount; block++) {
    const { storedBytes, rawBytes, first } = index.block(block);
    let raw = 0;
    const end = index.blockEnd(block);
    for (let ordinal = first; ordinal < end; ordinal++) {
      if (live.has(placeOf(pack, ordinal))) raw += index.length(ordinal);
    }
    stored += storedBytes;
    alive += (storedBytes * raw) / rawBytes;
  }
  return { storedBytes: stored, liveBytes: alive };
}
