import { STORE_PAGE_BYTES } from './types.js';

/** Most objects of a pack: a place in a pack is 16 bits. */
export const MAX_PACK_OBJECTS = 65_535;
/** Most deltas between an object and one that stands whole. */
export const MAX_DEPTH = 8;

/** What a delta changes: object `ordinal` of pack `pack`, '' for its own. */
export interface DeltaBase {
  readonly pack: string;
  readonly ordinal: number;
}

interface Deltas {
  readonly lengths: Uint16Array;
  readonly depths: Uint8Array;
  /** 0: the pack itself, else 1 + index in `bases`. */
  readonly packs: Uint16Array;
  readonly ordinals: Uint16Array;
}

/** What a pack holds: the id of each object, where its blocks are, and which objects are deltas to what. */
export class PackIndex {
  readonly pack: string;
  /** Of the pack's file, from its start to the end of its last block. */
  packBytes = 0;
  /** Packs that deltas are based on, the pack itself apart. */
  readonly bases: string[] = [];
  #count = 0;
  /** 4 words an id. */
  #words: Uint32Array;
  /** Open addressing by an id's first word: 1 + ordinal. */
  #slots: Uint16Array;
  #blockCount = 0;
  /** Offset, stored bytes, raw bytes, first ordinal each. */
  #blocks: Uint32Array;
  #deltas: Deltas | undefined;

  constructor(pack: string, objects = 256, blocks = 16) {
    this.pack = pack;
    this.#words = new Uint32Array(4 * Math.max(objects, 1));
    this.#slots = new Uint16Array(slotsFor(objects));
    this.#blocks = new Uint32Array(4 * Math.max(blocks, 1));
  }

  get count(): number {
    return this.#count;
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  get hasDeltas(): boolean {
    return this.#deltas !== undefined;
  }

  /** Memory it takes. */
  get byteLength(): number {
    const deltas = this.#deltas === undefined ? 0 : 7 * this.#deltas.depths.length;
    return this.#words.byteLength + this.#slots.byteLength + this.#blocks.byteLength + deltas + 512;
  }

  /** Words of all ids, 4 each; valid until the next `add`. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Adds an object whose id is the 4 words of `ids` from `at` on. */
  add(ids: Uint32Array, at: number): number {
    const ordinal = this.#count;
    if (ordinal >= MAX_PACK_OBJECTS) throw new RangeError('pack is full');
    if (4 * ordinal >= this.#words.length) this.#grow();
    const words = this.#words;
    for (let word = 0; word < 4; word++) words[4 * ordinal + word] = ids[at + word] as number;
    this.#count++;
    this.#enter(ordinal);
    return ordinal;
  }

  /** Says that the object is a delta of `length` bytes to `base`. */
  setDelta(ordinal: number, length: number, base: DeltaBase, depth: number): void {
    let deltas = this.#deltas;
    if (deltas === undefined || deltas.depths.length <= ordinal) {
      deltas = widened(deltas, this.#words.length / 4);
      this.#deltas = deltas;
    }
    let pack = 0;
    if (base.pack !== '' && base.pack !== this.pack) {
      pack = this.bases.indexOf(base.pack) + 1;
      if (pack === 0) pack = this.bases.push(base.pack);
    }
    deltas.lengths[ordinal] = length;
    deltas.depths[ordinal] = depth;
    deltas.packs[ordinal] = pack;
    deltas.ordinals[ordinal] = base.ordinal;
  }

  /** Adds a block; objects from `first` on are in it. */
  addBlock(offset: number, storedBytes: number, rawBytes: number, first: number): void {
    const at = 4 * this.#blockCount;
    if (at >= this.#blocks.length) {
      const grown = new Uint32Array(2 * this.#blocks.length);
      grown.set(this.#blocks);
      this.#blocks = grown;
    }
    this.#blocks[at] = offset;
    this.#blocks[at + 1] = storedBytes;
    this.#blocks[at + 2] = rawBytes;
    this.#blocks[at + 3] = first;
    this.#blockCount++;
    this.packBytes = offset + storedBytes;
  }

  /** The object with the id of 4 words at `at`, or -1. */
  find(ids: Uint32Array, at: number): number {
    const words = this.#words;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = (ids[at] as number) & mask; ; slot = (slot + 1) & mask) {
      const ordinal = (slots[slot] as number) - 1;
      if (ordinal < 0) return -1;
      const from = 4 * ordinal;
      if (
        words[from] === ids[at] &&
        words[from + 1] === ids[at + 1] &&
        words[from + 2] === ids[at + 2] &&
        words[from + 3] === ids[at + 3]
      ) {
        return ordinal;
      }
    }
  }

  /** Deltas between the object and one that stands whole; 0: it stands whole. */
  depth(ordinal: number): number {
    return this.#deltas?.depths[ordinal] ?? 0;
  }

  /** Bytes of the object in its block. */
  length(ordinal: number): number {
    const deltas = this.#deltas;
    if (deltas === undefined || !deltas.depths[ordinal]) return STORE_PAGE_BYTES;
    return deltas.lengths[ordinal] as number;
  }

  /** What the object, a delta, changes. */
  base(ordinal: number): DeltaBase {
    const pack = this.#deltas?.packs[ordinal] ?? 0;
    return {
      pack: pack === 0 ? this.pack : (this.bases[pack - 1] as string),
      ordinal: this.#deltas?.ordinals[ordinal] ?? 0,
    };
  }

  /** The block that the object is in. */
  blockOf(ordinal: number): number {
    let low = 0;
    let high = this.#blockCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#blocks[4 * middle + 3] as number) <= ordinal) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  block(number: number): { offset: number; storedBytes: number; rawBytes: number; first: number } {
    const at = 4 * number;
    return {
      offset: this.#blocks[at] as number,
      storedBytes: this.#blocks[at + 1] as number,
      rawBytes: this.#blocks[at + 2] as number,
      first: this.#blocks[at + 3] as number,
    };
  }

  /** The object behind the last one of the block. */
  blockEnd(number: number): number {
    return number + 1 < this.#blockCount ? this.block(number + 1).first : this.#count;
  }

  /** Where the object begins in its block's raw bytes. */
  startInBlock(ordinal: number): number {
    const { first } = this.block(this.blockOf(ordinal));
    if (this.#deltas === undefined) return (ordinal - first) * STORE_PAGE_BYTES;
    let at = 0;
    for (let before = first; before < ordinal; before++) at += this.length(before);
    return at;
  }

  #grow(): void {
    const grown = new Uint32Array(2 * this.#words.length);
    grown.set(this.#words);
    this.#words = grown;
    const slots = slotsFor(grown.length / 4);
    if (slots === this.#slots.length) return;
    this.#slots = new Uint16Array(slots);
    for (let ordinal = 0; ordinal < this.#count; ordinal++) this.#enter(ordinal);
  }

  #enter(ordinal: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (this.#words[4 * ordinal] as number) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = ordinal + 1;
  }
}

function slotsFor(objects: number): number {
  let slots = 64;
  while (slots < 1.5 * Math.min(objects, MAX_PACK_OBJECTS) + 1) slots *= 2;
  return slots;
}

function widened(old: Deltas | undefined, objects: number): Deltas {
  const deltas = {
    lengths: new Uint16Array(objects),
    depths: new Uint8Array(objects),
    packs: new Uint16Array(objects),
    ordinals: new Uint16Array(objects),
  };
  if (old !== undefined) {
    deltas.lengths.set(old.lengths);
    deltas.depths.set(old.depths);
    deltas.packs.set(old.packs);
    deltas.ordinals.set(old.ordinals);
  }
  return deltas;
}
