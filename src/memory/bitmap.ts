import { Arena } from '../core/arena.js';
import type { KernelExports } from '../core/kernel-exports.js';

/** Consecutive set bits. */
export interface BitRun {
  readonly first: number;
  readonly count: number;
}

/**
 * A fixed number of bits, one a page, over u64 words in an arena: single bits are set here, long stretches by the kernels.
 * Indexes outside it are RangeErrors.
 */
export class DirtyBitmap {
  /** How many bits there are, 0 to 2^32 - 1. */
  readonly bits: number;
  /** Where its words are in the arena, for kernels. */
  readonly address: number;
  readonly #arena: Arena;
  readonly #kernels: KernelExports;
  /** The same words as u32: bit i is bit i % 32 of word i / 32. */
  readonly #words: Uint32Array;

  /** Bytes that a bitmap takes in an arena. */
  static byteLength(bits: number): number {
    return Math.ceil(bits / 64) * 8;
  }

  /** `address` is that of `byteLength(bits)` zero bytes, 8-aligned; allocated if absent. @internal */
  constructor(arena: Arena, bits: number, address?: number) {
    if (!Number.isInteger(bits) || bits < 0 || bits > 0xffffffff) {
      throw new RangeError(`not a number of bits: ${bits}`);
    }
    this.bits = bits;
    this.address = address ?? arena.alloc(DirtyBitmap.byteLength(bits), 8);
    this.#arena = arena;
    this.#kernels = arena.kernels;
    this.#words = arena.u32(this.address, DirtyBitmap.byteLength(bits) / 4);
  }

  /** A bitmap in an arena of its own. All bits are clear. */
  static create(bits: number): DirtyBitmap {
    return new DirtyBitmap(new Arena(DirtyBitmap.byteLength(bits)), bits);
  }

  #checkIndex(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.bits) {
      throw new RangeError(`bit ${index} is outside a bitmap of ${this.bits}`);
    }
  }

  #checkRange(first: number, count: number): void {
    const isInside =
      Number.isInteger(first) &&
      Number.isInteger(count) &&
      first >= 0 &&
      count >= 0 &&
      first + count <= this.bits;
    if (!isInside) {
      throw new RangeError(`${count} bits from ${first} are outside a bitmap of ${this.bits}`);
    }
  }

  /** Sets a bit; returns whether it was set before. */
  set(index: number): boolean {
    this.#checkIndex(index);
    const word = this.#words[index >>> 5] ?? 0;
    const mask = 1 << (index & 31);
    this.#words[index >>> 5] = word | mask;
    return (word & mask) !== 0;
  }

  clear(index: number): void {
    this.#checkIndex(index);
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) & ~(1 << (index & 31));
  }

  test(index: number): boolean {
    this.#checkIndex(index);
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  setRange(first: number, count: number): void {
    this.#checkRange(first, count);
    this.#kernels.bitmapSetRange(this.address, first, count);
  }

  clearRange(first: number, count: number): void {
    this.#checkRange(first, count);
    this.#kernels.bitmapClearRange(this.address, first, count);
  }

  clearAll(): void {
    this.#words.fill(0);
  }

  /** Set bits among the first `limit`. */
  count(limit: number = this.bits): number {
    this.#checkRange(0, limit);
    return this.#kernels.bitmapCount(this.address, limit) >>> 0;
  }

  /** The first set bit at or after `from`, or `limit` if there is none below it. */
  next(from: number, limit: number = this.bits): number {
    this.#checkRange(0, limit);
    return this.#kernels.bitmapNextSet(this.address, limit, from) >>> 0;
  }

  /** The first run of set bits at or after `from` and below `limit`, or the first `most` of them: what is behind is not looked at. */
  nextRun(from: number, limit: number = this.bits, most: number = limit): BitRun | undefined {
    const first = this.next(from, limit);
    if (first >= limit) return undefined;
    const mostEnd = Math.min(limit, first + most);
    const end = this.#kernels.bitmapNextClear(this.address, mostEnd, first) >>> 0;
    return { first, count: end - first };
  }

  /** All runs of set bits below `limit`, ascending. Bits changed meanwhile may or may not be seen. */
  *runs(limit: number = this.bits): Generator<BitRun> {
    for (let run = this.nextRun(0, limit); run; run = this.nextRun(run.first + run.count, limit)) {
      yield run;
    }
  }

  /** The words of `count` bits from `first` on, a multiple of 32, as `takeWords` takes them. */
  copyOf(first: number, count: number): Uint32Array {
    this.#checkRange(first, count);
    return this.#words.slice(first / 32, Math.ceil((first + count) / 32));
  }

  /** Moves the marks of `other`, of at most as many bits: ors them into this bitmap and clears them there. */
  takeFrom(other: DirtyBitmap): void {
    this.#checkRange(0, other.bits);
    if (other.#arena === this.#arena) {
      this.#kernels.bitmapFetchClear(other.address, this.address, Math.ceil(other.bits / 64));
    } else {
      this.takeWords(other.#words);
    }
  }

  /**
   * Moves the marks of `words`, the little-endian halves of a bitmap of at most as many bits. Where other threads may mark
   * (shared memory), each word is fetched and cleared in one step.
   */
  takeWords(words: Int32Array | Uint32Array): void {
    if (words.length > this.#words.length) {
      throw new RangeError(`${words.length} words do not fit a bitmap of ${this.bits} bits`);
    }
    const isShared = !(words.buffer instanceof ArrayBuffer);
    for (let index = 0; index < words.length; index++) {
      // Plain read first: an exchange takes the cache line from its writers.
      if (words[index] === 0) continue;
      const word = isShared ? Atomics.exchange(words, index, 0) : (words[index] ?? 0);
      if (!isShared) words[index] = 0;
      this.#words[index] = (this.#words[index] ?? 0) | word;
    }
  }
}
