import { Arena } from '../core/arena.js';
import { placeHashKey } from '../memory/page-hashes.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { PageScratch } from './page-scratch.js';

const batchPages = 64;

/** Hashes pages as both sides of a migration do: XXH3-64 with a secret of 192 bytes. */
export class PageHasher {
  readonly #scratch: PageScratch;
  readonly #secret: number;

  /** TypeError unless `secret` has 192 bytes. */
  constructor(secret: Uint8Array) {
    const arena = new Arena(PageScratch.byteLength(batchPages) + 4 * PAGE_BYTES);
    this.#secret = placeHashKey(arena, secret).secret;
    this.#scratch = new PageScratch(arena, batchPages);
  }

  /** The hash of each 4096 bytes of `bytes`; the last page is taken as if it were filled up with zeros. */
  hash(bytes: Uint8Array): BigUint64Array {
    const scratch = this.#scratch;
    const hashes = new BigUint64Array(Math.ceil(bytes.byteLength / PAGE_BYTES));
    for (let first = 0; first < hashes.length; first += batchPages) {
      const part = bytes.subarray(first * PAGE_BYTES, (first + batchPages) * PAGE_BYTES);
      const count = Math.ceil(part.byteLength / PAGE_BYTES);
      scratch.bytes.set(part);
      scratch.bytes.fill(0, part.byteLength, count * PAGE_BYTES);
      scratch.hash(count, this.#secret);
      hashes.set(scratch.hashes.subarray(0, count), first);
    }
    return hashes;
  }
}
