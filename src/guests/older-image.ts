import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { FerryError } from '../errors.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { fileError, readAt, systemCode } from './file-io.js';
import { hasBit, setBit } from './page-bits.js';

/** What a file held before, wherever that is kept. */
export interface OlderPages {
  /** Fills `into` with pages from `firstPage` on, 4096 bytes each: with zeros where there is nothing. */
  read(firstPage: number, into: Uint8Array): Promise<unknown>;
}

/** An older image. Its pages are taken over as they are read; what is not read before it is written is not wanted. */
export class OlderImage {
  readonly #pages: OlderPages;
  /** Of a file that was opened for it. */
  readonly #handle: FileHandle | undefined;
  /** As much of it counts: what grows beyond is zero. */
  readonly #byteLength: number;
  /** Pages that were taken over, or written: a bit each. */
  readonly #settled: Uint8Array;
  #spare: Buffer | undefined;

  private constructor(pages: OlderPages, handle: FileHandle | undefined, byteLength: number) {
    this.#pages = pages;
    this.#handle = handle;
    this.#byteLength = byteLength;
    this.#settled = new Uint8Array(Math.ceil(byteLength / PAGE_BYTES / 8));
  }

  /** `base`: the path of a file, or pages, which whoever gives them closes. Undefined if there is no such file; ERR_IO if it cannot be read. */
  static async open(
    base: string | OlderPages,
    byteLength: number,
  ): Promise<OlderImage | undefined> {
    if (typeof base !== 'string') return new OlderImage(base, undefined, byteLength);
    try {
      const handle = await open(base, constants.O_RDONLY | constants.O_NONBLOCK);
      const isFile = await handle.stat().then(
        (stats) => stats.isFile(),
        () => false,
      );
      if (!isFile) {
        await handle.close();
        throw new FerryError('ERR_IO', `cannot read the base ${base}: it is not a file`);
      }
      const read = async (firstPage: number, into: Uint8Array): Promise<void> => {
        into.fill(0, await readAt(handle, firstPage * PAGE_BYTES, into));
      };
      return new OlderImage({ read }, handle, byteLength);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileError(error, `cannot read the base ${base}`);
    }
  }

  /** The page is written: what it was before is not wanted any more. */
  settle(page: number): void {
    setBit(this.#settled, page);
  }

  /** Gives pages that nothing was written to yet to `write`, which settles them, before `byteLength` bytes from `offset` on are read. */
  async takeOver(
    offset: number,
    byteLength: number,
    write: (offset: number, bytes: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const end = Math.ceil(Math.min(offset + byteLength, this.#byteLength) / PAGE_BYTES);
    let first = Math.floor(offset / PAGE_BYTES);
    while (first < end) {
      let next = first;
      while (next < end && !hasBit(this.#settled, next)) next += 1;
      if (next > first) await this.#takeRun(first, next, write);
      first = next + 1;
    }
  }

  async #takeRun(
    first: number,
    next: number,
    write: (offset: number, bytes: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const from = first * PAGE_BYTES;
    const length = (next - first) * PAGE_BYTES;
    // Memory for each would be collected for longer than it is used. Whoever comes meanwhile has one of his own.
    const spare = this.#spare;
    this.#spare = undefined;
    const scratch =
      spare !== undefined && spare.byteLength >= length ? spare : Buffer.alloc(length);
    const bytes = scratch.subarray(0, length);
    await this.#pages.read(first, bytes);
    await write(from, bytes.subarray(0, this.#byteLength - from));
    this.#spare = scratch;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}
