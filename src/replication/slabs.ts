/** Bytes of a slab: a frame of any size fits. */
const slabBytes = 1 << 20;

/** Memory that is used again: epochs come many times a second, and memory that is new each time costs more than what is copied to it. */
export class SlabPool {
  readonly #most: number;
  readonly #free: Uint8Array[] = [];

  /** `most`: slabs of 1 MiB that are kept while nobody uses them. */
  constructor(most: number) {
    this.#most = most;
  }

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(slabBytes);
  }

  giveBack(slabs: readonly Uint8Array[]): void {
    this.#free.push(...slabs.slice(0, this.#most - this.#free.length));
  }
}

/** Copies of the frames of one epoch, one behind the other. */
export class Copies {
  readonly #pool: SlabPool;
  #slabs: Uint8Array[] = [];
  #used = slabBytes;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** A copy, until `release`. RangeError for more than a slab holds. */
  copy(bytes: Uint8Array): Uint8Array {
    const { byteLength } = bytes;
    if (byteLength > slabBytes) throw new RangeError(`${byteLength} bytes`);
    if (this.#used + byteLength > slabBytes) {
      this.#slabs.push(this.#pool.take());
      this.#used = 0;
    }
    const slab = this.#slabs.at(-1) ?? bytes;
    const copy = slab.subarray(this.#used, this.#used + byteLength);
    copy.set(bytes);
    this.#used += byteLength;
    return copy;
  }

  /** Nobody looks at them any more. Idempotent. */
  release(): void {
    this.#pool.giveBack(this.#slabs);
    this.#slabs = [];
    this.#used = slabBytes;
  }
}
