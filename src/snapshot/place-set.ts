import { MAX_PACK_OBJECTS } from './pack-index.js';
import { ordinalOf, packOf } from './places.js';

/** A set of places: a bit for each object of each pack that has any in it, in the order in which packs came up. */
export class PlaceSet {
  readonly #bits = new Map<number, Uint8Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether it was not there. */
  add(place: number): boolean {
    const pack = packOf(place);
    const ordinal = ordinalOf(place);
    let bits = this.#bits.get(pack);
    if (bits === undefined || bits.length <= ordinal >> 3) {
      bits = widened(bits, ordinal);
      this.#bits.set(pack, bits);
    }
    const bit = 1 << (ordinal & 7);
    const byte = bits[ordinal >> 3] as number;
    if ((byte & bit) !== 0) return false;
    bits[ordinal >> 3] = byte | bit;
    this.#size++;
    return true;
  }

  has(place: number): boolean {
    const ordinal = ordinalOf(place);
    const byte = this.#bits.get(packOf(place))?.[ordinal >> 3] ?? 0;
    return (byte & (1 << (ordinal & 7))) !== 0;
  }

  packs(): Iterable<number> {
    return this.#bits.keys();
  }

  /** Objects of a pack that are in it, ascending. */
  *ordinals(pack: number): Iterable<number> {
    const bits = this.#bits.get(pack) ?? new Uint8Array(0);
    for (let byte = 0; byte < bits.length; byte++) {
      if (bits[byte] === 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if (((bits[byte] as number) & (1 << bit)) !== 0) yield 8 * byte + bit;
      }
    }
  }
}

function widened(old: Uint8Array | undefined, ordinal: number): Uint8Array {
  const most = (MAX_PACK_OBJECTS >> 3) + 1;
  const bits = new Uint8Array(Math.min(most, Math.max(64, 2 * ((ordinal >> 3) + 1))));
  if (old !== undefined) bits.set(old);
  return bits;
}
