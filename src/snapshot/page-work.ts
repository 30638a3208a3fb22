import { readSync } from 'node:fs';
import { Arena } from '../core/arena.js';
import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import { PageArea, pageState } from './page-area.js';
import type { PageIds } from './page-id.js';

const pageBytes = 4096;

/** Pages of an open file that are to be looked at. */
export interface LookOrder {
  readonly fd: number;
  readonly position: number;
  /** Up to 1 MiB; of the last page what is missing counts as zeros. */
  readonly byteLength: number;
  /** The area has the ids of the parent's pages. */
  readonly hasParent: boolean;
}

/** What one thread does: reads pages, and tells which are zeros, which are as the parent's, and what the ids of the others are. */
export class PageWork {
  readonly areas: readonly PageArea[];
  readonly #arena: Arena;
  readonly #ids: PageIds;

  constructor(areas: number, ids: PageIds, shared: boolean) {
    this.#arena = new Arena(areas * (PageArea.byteLength + 64), { shared });
    const { buffer } = this.#arena.memory;
    this.areas = Array.from(
      { length: areas },
      () => new PageArea(buffer, this.#arena.alloc(PageArea.byteLength)),
    );
    this.#ids = ids;
  }

  get memory(): ArrayBufferLike {
    return this.#arena.memory.buffer;
  }

  /**
   * Returns how many pages changed: they, their ids and their numbers stand at the beginning of the area, and a state for each page looked at. ERR_IO;
   * ERR_SOURCE_CHANGED where the file ends too early.
   */
  look(area: PageArea, order: LookOrder): number {
    readPages(area.pages, order);
    const count = Math.ceil(order.byteLength / pageBytes);
    let changed = 0;
    for (let page = 0; page < count; page += 1) {
      const start = page * pageBytes;
      if (this.#arena.kernels.isZero(area.address + start, pageBytes) === 1) {
        area.states[page] = pageState.zero;
        continue;
      }
      this.#ids.write(area.pages.subarray(start, start + pageBytes), area.ids, changed * 16);
      if (order.hasParent && isSame(area, changed, page)) {
        area.states[page] = pageState.same;
        continue;
      }
      area.states[page] = pageState.changed;
      area.numbers[changed] = page;
      if (changed !== page) area.pages.copyWithin(changed * pageBytes, start, start + pageBytes);
      changed += 1;
    }
    return changed;
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

/** Whether the id at `index` is that of the parent's page `page`. */
function isSame({ ids, parentIds }: PageArea, index: number, page: number): boolean {
  for (let at = 0; at < 16; at += 1) {
    if (ids[index * 16 + at] !== parentIds[page * 16 + at]) return false;
  }
  return true;
}
