import { hash } from 'node:crypto';

const pageBytes = 4096;
/** Bytes of SHA-256 that are a page's id. */
const idBytes = 16;

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
    // As text: a buffer for each digest costs a third more.
    const digest = hash('sha256', hashed, 'binary');
    for (let index = 0; index < idBytes; index += 1) into[at + index] = digest.charCodeAt(index);
  }

  /** The id of `page`. */
  of(page: Uint8Array): Uint8Array {
    const id = new Uint8Array(idBytes);
    this.write(page, id, 0);
    return id;
  }
}
