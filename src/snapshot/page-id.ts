import { shortDigestBytes, writeShortDigest } from '../guests/short-digest.js';

const pageBytes = 4096;

/**
 * Makes ids of pages: the first 16 bytes of SHA-256(prefix + page). The prefix is empty, or a secret of the store's: ids of an encrypted one must not
 * tell what its pages are.
 */
export class PageIds {
  readonly #prefixBytes: number;
  /** The prefix and room for a page behind it; without a prefix pages are hashed where they are. */
  readonly #prefixed: Uint8Array | undefined;

  constructor(prefix: Uint8Array) {
    this.#prefixBytes = prefix.length;
    if (prefix.length === 0) return;
    this.#prefixed = new Uint8Array(prefix.length + pageBytes);
    this.#prefixed.set(prefix);
  }

  /** Writes the id of `page` (4096 bytes) to `into` at `at`. */
  write(page: Uint8Array, into: Uint8Array, at: number): void {
    const { length } = page;
    if (length !== pageBytes) throw new RangeError(`page of ${length} bytes`);
    let hashed = page;
    if (this.#prefixed !== undefined) {
      this.#prefixed.set(page, this.#prefixBytes);
      hashed = this.#prefixed;
    }
    writeShortDigest(hashed, into, at);
  }

  /** The id of `page`. */
  of(page: Uint8Array): Uint8Array {
    const id = new Uint8Array(shortDigestBytes);
    this.write(page, id, 0);
    return id;
  }
}
