import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { readAt } from '../guests/file-io.js';

const pieceBytes: number = 2 ** 20;

/** Reads from an offset on; fewer bytes only where the content ends. */
export type ReadContent = (offset: number, into: Uint8Array) => number | Promise<number>;

/** The SHA-256 of content that is read anyway: what is seen in order need not be read once more. */
export class ContentHash {
  readonly #hash: Hash = createHash('sha256');
  #at = 0;
  #result: string | undefined;

  /** These bytes are at `offset`. */
  saw(offset: number, bytes: Uint8Array): void {
    if (offset > this.#at || offset + bytes.byteLength <= this.#at) return;
    this.#hash.update(bytes.subarray(this.#at - offset));
    this.#at = offset + bytes.byteLength;
  }

  /** Of all `byteLength` bytes: what was not seen is read. 64 hex digits. */
  async finish(byteLength: number, read: ReadContent): Promise<string> {
    const piece = Buffer.alloc(Math.min(pieceBytes, byteLength));
    while (this.#at < byteLength) {
      const offset = this.#at;
      const got = await read(
        offset,
        piece.subarray(0, Math.min(piece.byteLength, byteLength - offset)),
      );
      if (got === 0) throw new RangeError(`content of ${byteLength} bytes ended at ${offset}`);
      this.saw(offset, piece.subarray(0, got));
    }
    this.#result ??= this.#hash.digest('hex');
    return this.#result;
  }
}

/** SHA-256 of the first `byteLength` bytes of an open file, 64 hex digits. */
export function hashFile(handle: FileHandle, byteLength: number): Promise<string> {
  return new ContentHash().finish(byteLength, (at, into) => readAt(handle, at, into));
}
