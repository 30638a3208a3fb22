import type { Arena } from '../core/arena.js';
import { PAGE_BYTES } from '../memory/pages.js';

/** Pages in the arena that content is brought to so that kernels can work on it, and a hash for each. */
export class PageScratch {
  readonly pages: number;
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly hashes: BigUint64Array;
  /** The same hashes as halves, for `PageHashes.isSame`. */
  readonly hashWords: Uint32Array;
  readonly #arena: Arena;
  readonly #hashesAddress: number;

  /** Bytes of arena taken. */
  static byteLength(pages: number): number {
    return pages * (PAGE_BYTES + 8) + 2 * PAGE_BYTES;
  }

  constructor(arena: Arena, pages: number) {
    this.pages = pages;
    this.address = arena.alloc(pages * PAGE_BYTES, PAGE_BYTES);
    this.bytes = arena.bytes(this.address, pages * PAGE_BYTES);
    this.#hashesAddress = arena.alloc(pages * 8, 8);
    this.hashes = arena.u64(this.#hashesAddress, pages);
    this.hashWords = arena.u32(this.#hashesAddress, 2 * pages);
    this.#arena = arena;
  }

  /** The bytes of `count` pages from page `first` of the scratch on. */
  view(first: number, count: number): Uint8Array {
    return this.bytes.subarray(first * PAGE_BYTES, (first + count) * PAGE_BYTES);
  }

  /** Fills `hashes` for the first `count` pages. */
  hash(count: number, secret: number): void {
    this.#arena.kernels.hashPages(this.address, count, this.#hashesAddress, secret);
  }

  isZero(first: number, count: number): boolean {
    const address = this.address + first * PAGE_BYTES;
    return this.#arena.kernels.isZero(address, count * PAGE_BYTES) !== 0;
  }
}
