import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Catalog } from './catalog.js';
import {
  encodeDirectory,
  encodeTrailer,
  type PageTable,
  type SegmentSource,
} from './page-table.js';
import { placeFile } from './place-file.js';
import { section } from './sealed.js';
import { decodeSegment, encodeSegment, SEGMENT_PAGES } from './table-segment.js';

const openSegments = 128;

/**
 * Where the pages of a snapshot under construction are: segments that it shares with its parent as they are, others as they were encoded last, some of
 * them open.
 */
export class PageMap {
  readonly #parent: PageTable | undefined;
  readonly #shared = new Set<number>();
  readonly #encoded = new Map<number, Uint8Array>();
  readonly #open = new Map<number, Uint32Array>();

  constructor(parent: PageTable | undefined) {
    this.#parent = parent;
  }

  /** The segment to write to, if it is open. */
  peek(number: number): Uint32Array | undefined {
    return this.#open.get(number);
  }

  /** The segment to write to: a view that is written to at once, before anything else is opened. */
  async open(number: number): Promise<Uint32Array> {
    const held = this.#open.get(number);
    if (held !== undefined) return held;
    const places = (await this.segment(number)).slice();
    this.#shared.delete(number);
    this.#encoded.delete(number);
    this.#open.set(number, places);
    for (const [oldest, old] of this.#open) {
      if (this.#open.size <= openSegments) break;
      this.#open.delete(oldest);
      this.#encoded.set(oldest, encodeSegment(old, asItIs));
    }
    return places;
  }

  /** Takes a whole segment as the parent has it. */
  share(number: number): void {
    this.#open.delete(number);
    this.#encoded.delete(number);
    this.#shared.add(number);
  }

  /** The places of a segment; must not be changed. */
  async segment(number: number): Promise<Uint32Array> {
    const open = this.#open.get(number);
    if (open !== undefined) return open;
    const encoded = this.#encoded.get(number);
    if (encoded !== undefined) return decodeSegment(encoded, asItIs, 'a page table');
    if (this.#shared.has(number) && this.#parent !== undefined) {
      return this.#parent.segment(number);
    }
    return new Uint32Array(SEGMENT_PAGES);
  }

  /**
   * Writes the table: packs in `needs` are listed as needed, segments that are as in the parent are not written again.
   * Returns its id and length.
   */
  async write(
    catalog: Catalog,
    needs: ReadonlySet<number>,
  ): Promise<{ id: string; storedBytes: number; tables: readonly string[] }> {
    const id = randomBytes(16).toString('hex');
    const packs: string[] = [];
    const numbers = new Map<number, number>();
    const numberOf = (pack: number) => {
      let number = numbers.get(pack);
      if (number === undefined) {
        number = packs.push(catalog.id(pack)) - 1;
        numbers.set(pack, number);
      }
      return number;
    };
    const tables: string[] = [];
    const segments = new Map<number, SegmentSource>();
    const folder = join(catalog.folder, '..', 'tables');
    const all = [...this.#shared, ...this.#encoded.keys(), ...this.#open.keys()];
    const storedBytes = await placeFile(catalog.files, folder, `${id}.table`, async (append) => {
      let offset = 0;
      for (const number of all.sort((one, other) => one - other)) {
        const owner = await this.#sharedWith(number);
        if (owner !== undefined) {
          let table = tables.indexOf(owner) + 1;
          if (table === 0) table = tables.push(owner);
          segments.set(number, { table, offset: 0, length: 0 });
          continue;
        }
        const places = await this.segment(number);
        if (places.every((place) => place === 0)) continue;
        const body = encodeSegment(places, numberOf);
        const bytes = catalog.sealer.seal(section.segment, `${id} ${number}`, body);
        segments.set(number, { table: 0, offset, length: bytes.length });
        await append(bytes);
        offset += bytes.length;
      }
      for (const pack of needs) numberOf(pack);
      const directory = encodeDirectory({ packs, tables, segments });
      await append(catalog.sealer.seal(section.table, id, directory));
      await append(encodeTrailer(offset));
    });
    return { id, storedBytes, tables };
  }

  /** The table that has the segment as it is here. */
  async #sharedWith(number: number): Promise<string | undefined> {
    const owner = this.#parent?.owner(number);
    if (owner === undefined || this.#shared.has(number)) return owner;
    const theirs = (await this.#parent?.segment(number)) as Uint32Array;
    const ours = await this.segment(number);
    return ours.every((place, page) => place === theirs[page]) ? owner : undefined;
  }
}

function asItIs(pack: number): number {
  return pack;
}
