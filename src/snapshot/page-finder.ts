const slotsPerBucket = 4;
const maxKicks = 200;

/**
 * Which pack may have an object of some id: 16 bits of its id and the pack's number (1 to 65535) in 4 bytes an object, two buckets of four for each
 * (a cuckoo filter with values). One look-up in some 8,000 names a pack that has no such object.
 */
export class PageFinder {
  /** Objects that it has room for. */
  readonly capacity: number;
  readonly #slots: Uint32Array;
  readonly #buckets: number;
  #count = 0;
  #kick = 1;

  constructor(capacity: number) {
    this.capacity = Math.max(capacity, 64);
    this.#buckets = Math.ceil(this.capacity / 0.94 / slotsPerBucket);
    this.#slots = new Uint32Array(this.#buckets * slotsPerBucket);
  }

  static bytesFor(capacity: number): number {
    return 4 * Math.ceil(capacity / 0.94);
  }

  get free(): number {
    return this.capacity - this.#count;
  }

  /** Adds an object with these two words of its id. One that finds no room is left out: it will be stored twice, no more. */
  add(word0: number, word1: number, pack: number): void {
    if (this.#count >= this.capacity) return;
    this.#count++;
    let entry = ((pack << 16) | (word1 & 0xffff)) >>> 0;
    let bucket = word0 % this.#buckets;
    if (this.#put(bucket, entry)) return;
    bucket = this.#other(bucket, entry & 0xffff);
    for (let kicks = 0; kicks < maxKicks && !this.#put(bucket, entry); kicks++) {
      // Somebody there goes to where else it may be.
      this.#kick = (Math.imul(this.#kick, 1664525) + 1013904223) >>> 0;
      const slot = bucket * slotsPerBucket + (this.#kick >>> 30);
      const moved = this.#slots[slot] as number;
      this.#slots[slot] = entry;
      entry = moved;
      bucket = this.#other(bucket, entry & 0xffff);
    }
  }

  /** Puts the numbers of packs that may have the object into `into`; returns how many, up to 8. */
  find(word0: number, word1: number, into: Uint16Array): number {
    const mark = word1 & 0xffff;
    const first = word0 % this.#buckets;
    const found = this.#collect(first, mark, into, 0);
    const second = this.#other(first, mark);
    return second === first ? found : this.#collect(second, mark, into, found);
  }

  #collect(bucket: number, mark: number, into: Uint16Array, found: number): number {
    let count = found;
    const from = bucket * slotsPerBucket;
    for (let slot = from; slot < from + slotsPerBucket; slot++) {
      const entry = this.#slots[slot] as number;
      if (entry !== 0 && (entry & 0xffff) === mark) into[count++] = entry >>> 16;
    }
    return count;
  }

  #put(bucket: number, entry: number): boolean {
    const from = bucket * slotsPerBucket;
    for (let slot = from; slot < from + slotsPerBucket; slot++) {
      if (this.#slots[slot] === 0) {
        this.#slots[slot] = entry;
        return true;
      }
    }
    return false;
  }

  /** The other bucket of an object: its own inverse. */
  #other(bucket: number, mark: number): number {
    const spread = (Math.imul(mark + 1, 0x9e3779b1) >>> 0) % this.#buckets;
    const other = spread - bucket;
    return other < 0 ? other + this.#buckets : other;
  }
}
