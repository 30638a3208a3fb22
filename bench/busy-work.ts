/** A piece of work takes some 0.2 ms. */
const turnsOfWork = 150_000;
/** Of these pages each piece of work changes one. */
const hotPages = 2048;
const pageBytes = 4096;

/** Computes for a while, changes a word of `words`, and gives its offset in bytes. */
export class BusyWork {
  readonly #words: Uint32Array;
  #seed = 1;

  constructor(memory: ArrayBufferLike) {
    this.#words = new Uint32Array(memory);
  }

  piece(): number {
    let x = this.#seed;
    for (let turn = 0; turn < turnsOfWork; turn++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
    }
    this.#seed = x;
    const offset = ((x >>> 0) % hotPages) * pageBytes;
    this.#words[offset / 4] = x;
    return offset;
  }
}
