import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { readAt } from '../guests/file-io.js';
import type { Region } from '../memory/region.js';

const pieceBytes: number = 2 ** 20;

/** Reads from an offset on; fewer bytes only where the content ends. */
export type ReadContent = (offset: number, into: Uint8Array) => number | Promise<number>;

/** The SHA-256 of content that is read anyway: what is seen in order need not be read once more. */
export class ContentHash {
  #hash: Hash = createHash('sha256');
  #at = 0;
  #result: string | undefined;

  /** These bytes are at `offset`. */
  saw(offset: number, bytes: Uint8Array): void {
    if (offset > this.#at || offset + bytes.byteLength <= this.#at) return;
    this.#hash.update(bytes.subarray(this.#at - offset));
    this.#at = offset + bytes.byteLength;
  }

  /** What is at `offset` is being written: where it was seen already all of it is to be seen again. */
  changed(offset: number): void {
    if (offset >= this.#at) return;
    this.#hash = createHash('sha256');
    this.#at = 0;
    this.#result = undefined;
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

/**
 * `region`, whose content `hash` sees whenever it is read. What it holds already is read to be compared, before it is changed: of that nothing is hashed before `finish`.
 */
export function hashedRegion(region: Region, hash: ContentHash): Region {
  const { descriptor } = region;
  return {
    id: region.id,
    name: region.name,
    maxByteLength: region.maxByteLength,
    held: region.held === true,
    ...(descriptor === undefined ? {} : { descriptor }),
    get byteLength() {
      return region.byteLength;
    },
    get fresh() {
      return region.fresh === true;
    },
    read: async (offset, into) => {
      const done = await region.read(offset, into);
      if (region.held !== true) hash.saw(offset, into.subarray(0, done));
      return done;
    },
    write: (offset, from) => {
      hash.changed(offset);
      return region.write(offset, from);
    },
    grow: (byteLength) => region.grow(byteLength),
  };
}

/** SHA-256 of the first `byteLength` bytes of an open file, 64 hex digits. */
export function hashFile(handle: FileHandle, byteLength: number): Promise<string> {
  return new ContentHash().finish(byteLength, (at, into) => readAt(handle, at, into));
}
