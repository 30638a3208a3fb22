import type { Random } from '../reference/random.js';

const pageBytes = 4096;

/** Random bytes, one number of the generator each: what follows them stays the same where they are made in other portions. */
export function noise(random: Random, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  for (let at = 0; at < byteLength; at++) bytes[at] = random.u32();
  return bytes;
}

/** Fills `image` with zero, filled, sparse and dense pages in turn. It must be zero. `sparse`: only the first three of each 64. */
export function drawImage(image: Uint8Array, sparse: boolean, random: Random): void {
  for (let page = 0; page < image.length / pageBytes; page++) {
    if (sparse && page % 64 > 2) continue;
    const bytes = image.subarray(page * pageBytes, (page + 1) * pageBytes);
    if (page % 4 === 1) bytes.fill(random.u32() & 0xff);
    if (page % 4 === 2) for (let i = 0; i < 20; i++) bytes[random.below(pageBytes)] = random.u32();
    if (page % 4 === 3) bytes.set(noise(random, pageBytes));
  }
}

/** Makes so many of each 16 pages as they are in `image`; the others differ in a byte. */
export function keepPages(into: Uint8Array, image: Uint8Array, heldOf16: number): void {
  into.set(image);
  for (let page = 0; page * pageBytes < into.byteLength; page++) {
    if ((page * 7) % 16 < heldOf16) continue;
    const at = page * pageBytes + ((page * 611) % pageBytes);
    into[at] = (into[at] ?? 0) ^ 0x40;
  }
}

/** What memory held before anything arrived: zeros, or noise. */
export class Leftovers {
  readonly #noise: Uint8Array | undefined;

  /** For memory of `byteLength`. */
  constructor(fresh: boolean, byteLength: number, random: Random) {
    if (!fresh) this.#noise = noise(random, byteLength);
  }

  /** `memory` must be zero. */
  fill(memory: Uint8Array): void {
    if (this.#noise !== undefined) memory.set(this.#noise);
  }

  areIn(memory: Uint8Array): boolean {
    return Buffer.compare(memory, this.#noise ?? new Uint8Array(memory.length)) === 0;
  }
}
