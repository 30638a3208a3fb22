import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { fileError } from '../guests/file-io.js';
import { type BlockCodec, MAX_STORED_BYTES } from './block-codec.js';
import type { PageIds } from './page-id.js';
import { corrupt } from './store-error.js';
import {
  PAGE_ID_BYTES,
  type PackSource,
  planBlock,
  planPage,
  type ReadPlan,
  STORE_PAGE_BYTES,
} from './types.js';

/** Blocks to be read, and where each of their pages goes in an open file. */
export interface RebuildOrder extends Omit<ReadPlan, 'built'> {
  readonly fd: number;
  /** Of the region: its last page is cut there. */
  readonly byteLength: number;
  /** Of the region, for those who are told what is damaged. */
  readonly name: string;
}

/** Reads blocks, proves their pages by their ids and writes them where they belong. */
export class PageRebuild {
  readonly #codec: BlockCodec;
  readonly #ids: PageIds;
  readonly #stored = new Uint8Array(MAX_STORED_BYTES);
  readonly #id = new Uint8Array(PAGE_ID_BYTES);
  #pack: { readonly id: string; readonly fd: number } | undefined;

  constructor(codec: BlockCodec, ids: PageIds) {
    this.#codec = codec;
    this.#ids = ids;
  }

  /** ERR_STORE_CORRUPT names the page and the pack; ERR_IO, ERR_DISK_FULL. */
  rebuild(order: RebuildOrder): void {
    const { whole } = order;
    const pages = whole.length / planPage.fields;
    let page = 0;
    while (page < pages) {
      const block = whole[page * planPage.fields + planPage.block] ?? 0;
      let end = page + 1;
      while (end < pages && whole[end * planPage.fields + planPage.block] === block) end += 1;
      this.#write(order, this.#read(order, block), page, end);
      page = end;
    }
  }

  close(): void {
    if (this.#pack !== undefined) closeSync(this.#pack.fd);
    this.#pack = undefined;
  }

  /** The raw bytes of the order's block `index`. */
  #read({ packs, blocks }: RebuildOrder, index: number): Uint8Array {
    const field = (name: keyof typeof planBlock): number =>
      blocks[index * planBlock.fields + planBlock[name]] ?? 0;
    const pack = packs[field('pack')];
    if (pack === undefined) throw new RangeError(`pack ${field('pack')}`);
    const stored = this.#stored.subarray(0, field('storedBytes'));
    let read = 0;
    try {
      read = readSync(this.#open(pack), stored, 0, stored.length, field('offset'));
    } catch (error) {
      throw fileError(error, `cannot read ${pack.path}`);
    }
    if (read < stored.length) throw corrupt(`${pack.path}: it ends too early`);
    const where = `${pack.path}, block ${field('number')}`;
    return this.#codec.decode(stored, field('number'), field('rawBytes'), pack.key, where);
  }

  /** Proves pages `from` to `to` - 1 of the order, which lie in one block, and writes them, neighbours in one step. */
  #write(order: RebuildOrder, raw: Uint8Array, from: number, to: number): void {
    const { whole, ids, name, byteLength, fd } = order;
    const number = (page: number): number => whole[page * planPage.fields + planPage.page] ?? 0;
    const place = (page: number): number => whole[page * planPage.fields + planPage.at] ?? 0;
    for (let page = from; page < to; page += 1) {
      this.#ids.write(raw.subarray(place(page), place(page) + STORE_PAGE_BYTES), this.#id, 0);
      const expected = ids.subarray(page * PAGE_ID_BYTES, (page + 1) * PAGE_ID_BYTES);
      if (Buffer.compare(this.#id, expected) !== 0) {
        throw corrupt(`page ${number(page)} of ${name} is not what its id says`);
      }
    }
    let first = from;
    while (first < to) {
      let end = first + 1;
      const isNext = (page: number): boolean =>
        number(page) === number(first) + page - first &&
        place(page) === place(first) + (page - first) * STORE_PAGE_BYTES;
      while (end < to && isNext(end)) end += 1;
      const position = number(first) * STORE_PAGE_BYTES;
      const bytes = Math.min((end - first) * STORE_PAGE_BYTES, byteLength - position);
      writeAll(fd, raw.subarray(place(first), place(first) + bytes), position, name);
      first = end;
    }
  }

  #open({ id, path }: PackSource): number {
    if (this.#pack?.id !== id) {
      this.close();
      this.#pack = { id, fd: openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW) };
    }
    return this.#pack.fd;
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number, name: string): void {
  let done = 0;
  try {
    while (done < bytes.length) {
      done += writeSync(fd, bytes, done, bytes.length - done, position + done);
    }
  } catch (error) {
    throw fileError(error, `cannot write ${name}`);
  }
}
