import { readSync } from 'node:fs';
import { Arena } from '../core/arena.js';
import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import { BlockCodec } from './block-codec.js';
import { PRINT_SECRET_BYTES } from './fingerprint-file.js';
import { PageArea, pageState } from './page-area.js';
import type { PageIds } from './page-id.js';
import { blockMethod, type Compression, MAX_BATCH_PAGES } from './types.js';

const pageBytes = 4096;

/** Pages of an open file that are to be looked at. */
export interface LookOrder {
  readonly fd: number;
  readonly position: number;
  /** Up to 1 MiB; of the last page what is missing counts as zeros. */
  readonly byteLength: number;
  /** What the area has of the parent's pages, to tell what changed. */
  readonly compare: 'nothing' | 'ids' | 'fingerprints';
  /** How pages that changed are compressed, 64 at a time; undefined: they are not, as most will not be stored whole. */
  readonly compression: Compression | undefined;
}

/** What came of it. */
export interface LookResult {
  /** How many pages changed: they, their ids and their numbers stand at the beginning of the area. */
  readonly changed: number;
  /** For each 64 of them the method they are compressed by, and the bytes of the block; none where they were not to be. */
  readonly blocks: readonly { readonly method: number; readonly byteLength: number }[];
}

/** What one thread does: reads pages, and tells which are zeros, which are as the parent's, and what the ids of the others are. */
export class PageWork {
  readonly areas: readonly PageArea[];
  readonly codec: BlockCodec;
  readonly #arena: Arena;
  #ids: PageIds | undefined;
  readonly #secretPlace: number;
  #secret: number | undefined;

  constructor(areas: number) {
    const areaBytes = areas * (PageArea.byteLength + 64) + PRINT_SECRET_BYTES + 64;
    this.#arena = new Arena(areaBytes + BlockCodec.byteLength, { shared: true });
    this.codec = new BlockCodec(this.#arena);
    const { buffer } = this.#arena.memory;
    this.areas = Array.from(
      { length: areas },
      () => new PageArea(buffer, this.#arena.alloc(PageArea.byteLength)),
    );
    this.#secretPlace = this.#arena.alloc(PRINT_SECRET_BYTES);
  }

  /** `printSecret`: where fingerprints are to be made. */
  begin(ids: PageIds, printSecret: Uint8Array | undefined): void {
    this.#ids = ids;
    if (printSecret === undefined) return;
    this.#secret = this.#secretPlace;
    this.#arena.bytes(this.#secret, PRINT_SECRET_BYTES).set(printSecret);
  }

  get memory(): ArrayBufferLike {
    return this.#arena.memory.buffer;
  }

  /** Looks at pages, and leaves a state for each in the area. ERR_IO; ERR_SOURCE_CHANGED where the file ends too early. */
  look(area: PageArea, order: LookOrder): LookResult {
    const ids = this.#ids;
    if (ids === undefined) throw new RangeError('ids are not known yet');
    readPages(area.pages, order);
    const count = Math.ceil(order.byteLength / pageBytes);
    const { kernels } = this.#arena;
    if (this.#secret !== undefined) {
      kernels.hashPages(area.address, count, area.prints.byteOffset, this.#secret);
    }
    let changed = 0;
    for (let page = 0; page < count; page += 1) {
      const start = page * pageBytes;
      if (kernels.isZero(area.address + start, pageBytes) === 1) {
        area.states[page] = pageState.zero;
        continue;
      }
      if (order.compare === 'fingerprints' && hasSamePrint(area, page)) {
        area.states[page] = pageState.same;
        continue;
      }
      ids.write(area.pages.subarray(start, start + pageBytes), area.ids, changed * 16);
      if (order.compare === 'ids' && isSame(area, changed, page)) {
        area.states[page] = pageState.same;
        continue;
      }
      area.states[page] = pageState.changed;
      area.numbers[changed] = page;
      if (changed !== page) area.pages.copyWithin(changed * pageBytes, start, start + pageBytes);
      changed += 1;
    }
    return { changed, blocks: this.#compress(area, changed, order.compression) };
  }

  #compress(
    area: PageArea,
    changed: number,
    compression: Compression | undefined,
  ): LookResult['blocks'] {
    if (compression === undefined) return [];
    const blocks: { method: number; byteLength: number }[] = [];
    for (let first = 0; first < changed; first += MAX_BATCH_PAGES) {
      const count = Math.min(MAX_BATCH_PAGES, changed - first);
      const start = first * pageBytes;
      blocks.push(
        this.#compressTo(
          area.blocks.subarray(start),
          area.pages.subarray(start, start + count * pageBytes),
          compression,
        ),
      );
    }
    return blocks;
  }

  /** What cannot be compressed is not copied: its pages are the block. */
  #compressTo(into: Uint8Array, pages: Uint8Array, compression: Compression) {
    const { method, bytes } = this.codec.compress(pages, compression);
    if (method !== blockMethod.none) into.set(bytes);
    return { method, byteLength: bytes.length };
  }
}

function readPages(into: Uint8Array, { fd, position, byteLength }: LookOrder): void {
  let done = 0;
  while (done < byteLength) {
    let read: number;
    try {
      read = readSync(fd, into, done, byteLength - done, position + done);
    } catch (error) {
      throw fileError(error, `cannot read at ${position + done}`);
    }
    if (read === 0) {
      const message = `the file ended at ${position + done} while it was read`;
      throw new FerryError('ERR_SOURCE_CHANGED', message);
    }
    done += read;
  }
  into.fill(0, byteLength, Math.ceil(byteLength / pageBytes) * pageBytes);
}

/** Whether its fingerprint is known and that of the parent's page. */
function hasSamePrint({ prints, parentPrints }: PageArea, page: number): boolean {
  const low = parentPrints[2 * page];
  const high = parentPrints[2 * page + 1];
  const isKnown = low !== 0 || high !== 0;
  return isKnown && prints[2 * page] === low && prints[2 * page + 1] === high;
}

/** Whether the id at `index` is that of the parent's page `page`. */
function isSame({ ids, parentIds }: PageArea, index: number, page: number): boolean {
  for (let at = 0; at < 16; at += 1) {
    if (ids[index * 16 + at] !== parentIds[page * 16 + at]) return false;
  }
  return true;
}
