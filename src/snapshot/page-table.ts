import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter } from './byte-stream.js';
import { type Catalog, trashSuffix } from './catalog.js';
import { closing } from './place-file.js';
import { section } from './sealed.js';
import { coded, corrupt, ifThere } from './store-error.js';
import type { StoreFile } from './store-files.js';
import { decodeSegment, SEGMENT_PAGES } from './table-segment.js';

const maxDirectoryBytes = 256 << 20;
const heldSegments = 64;
/** Segments of 2^32 pages. */
const maxSegments = 2 ** 32 / SEGMENT_PAGES;

/** What a table's file says of itself: which packs and tables it needs, and where its segments are. */
export interface TableDirectory {
  /** Packs that its own segments name, by their number there; then others that it needs: what deltas are based on, what segments of other tables name. */
  readonly packs: readonly string[];
  /** Tables that have some of its segments. */
  readonly tables: readonly string[];
  /** By segment: in which table (0: its own, else 1 + index in `tables`), and there where from and how long. */
  readonly segments: ReadonlyMap<number, SegmentSource>;
}

export interface SegmentSource {
  readonly table: number;
  readonly offset: number;
  readonly length: number;
}

export function encodeDirectory({ packs, tables, segments }: TableDirectory): Uint8Array {
  const out = new ByteWriter();
  for (const names of [packs, tables]) {
    out.varint(names.length);
    for (const name of names) out.bytes(Buffer.from(name, 'hex'));
  }
  out.varint(segments.size);
  let next = 0;
  for (const [number, { table, offset, length }] of segments) {
    out.varint(number - next);
    out.varint(table);
    if (table === 0) {
      out.varint(offset);
      out.varint(length);
    }
    next = number + 1;
  }
  return deflateRawSync(out.result(), { level: 6 });
}

function decodeDirectory(bytes: Uint8Array, where: string): TableDirectory {
  let raw: Uint8Array;
  try {
    raw = inflateRawSync(bytes, { maxOutputLength: maxDirectoryBytes });
  } catch (error) {
    throw corrupt(`${where} was damaged`, error);
  }
  const reader = new ByteReader(raw, where);
  const names = () => {
    const count = reader.varint();
    if (16 * count > reader.left) throw corrupt(`${where}: a lying count`);
    return Array.from({ length: count }, () => Buffer.from(reader.bytes(16)).toString('hex'));
  };
  const packs = names();
  const tables = names();
  const count = reader.varint();
  const segments = new Map<number, SegmentSource>();
  let number = -1;
  for (let index = 0; index < count; index++) {
    number += 1 + reader.varint();
    const table = reader.varint();
    if (number >= maxSegments || table > tables.length) throw corrupt(`${where}: a lying segment`);
    const [offset, length] = table === 0 ? [reader.varint(), reader.varint()] : [0, 0];
    segments.set(number, { table, offset, length });
  }
  reader.end();
  return { packs, tables, segments };
}

/** The page table of one snapshot: where each of its pages is. Read as it is needed. */
export class PageTable {
  readonly id: string;
  readonly directory: TableDirectory;
  readonly #catalog: Catalog;
  readonly #file: StoreFile;
  readonly #others = new Map<string, Promise<PageTable>>();
  readonly #held = new Map<number, Uint32Array>();

  private constructor(id: string, directory: TableDirectory, catalog: Catalog, file: StoreFile) {
    this.id = id;
    this.directory = directory;
    this.#catalog = catalog;
    this.#file = file;
  }

  /** ERR_STORE_CORRUPT, naming the table, if it is missing or damaged. */
  static open(catalog: Catalog, id: string): Promise<PageTable> {
    return coded(`cannot read tables/${id}.table`, async () => {
      const file = await openTable(catalog, id);
      try {
        return new PageTable(id, await readDirectory(catalog, id, file), catalog, file);
      } catch (error) {
        await file.close();
        throw error;
      }
    });
  }

  /** Segments that have pages, ascending. */
  get segments(): Iterable<number> {
    return this.directory.segments.keys();
  }

  /** Which table has the segment; undefined: it is all zeros. */
  owner(number: number): string | undefined {
    const source = this.directory.segments.get(number);
    if (source === undefined) return undefined;
    return source.table === 0 ? this.id : this.directory.tables[source.table - 1];
  }

  /** The places of a segment if they are in memory or all zeros. */
  peek(number: number): Uint32Array | undefined {
    return this.directory.segments.has(number) ? this.#held.get(number) : noPlaces;
  }

  /** The places of a segment; must not be changed. */
  async segment(number: number): Promise<Uint32Array> {
    const held = this.peek(number);
    if (held !== undefined) return held;
    const source = this.directory.segments.get(number) as SegmentSource;
    const places = await (source.table === 0
      ? this.#readSegment(number, source)
      : this.#otherSegment(number, this.directory.tables[source.table - 1] as string));
    this.#held.set(number, places);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= heldSegments) break;
      this.#held.delete(oldest);
    }
    return places;
  }

  async close(): Promise<void> {
    await this.#file.close();
    for (const other of this.#others.values()) {
      await other.then((table) => table.close()).catch(() => {});
    }
  }

  async #readSegment(number: number, { offset, length }: SegmentSource): Promise<Uint32Array> {
    const where = `tables/${this.id}.table, segment ${number}`;
    return coded(`cannot read ${where}`, async () => {
      const owner = `${this.id} ${number}`;
      const { sealer } = this.#catalog;
      const { body, end } = await sealer.read(this.#file, offset, section.segment, owner, where);
      if (end !== offset + length) throw corrupt(`${where}: a lying length`);
      const { packs } = this.directory;
      const numberOf = (pack: number) => {
        const id = packs[pack];
        return id === undefined ? undefined : this.#catalog.number(id);
      };
      return decodeSegment(body, numberOf, where);
    });
  }

  async #otherSegment(number: number, id: string): Promise<Uint32Array> {
    let opening = this.#others.get(id);
    if (opening === undefined) {
      opening = PageTable.open(this.#catalog, id);
      this.#others.set(id, opening);
      opening.catch(() => this.#others.delete(id));
    }
    const table = await opening;
    if (table.directory.segments.get(number)?.table !== 0) {
      throw corrupt(`tables/${id}.table has no segment ${number}, which ${this.id} refers to`);
    }
    return table.segment(number);
  }
}

const noPlaces = new Uint32Array(SEGMENT_PAGES);
const trailerBytes = 8;

/** The last 8 bytes of a table: where its directory begins, and the complement of that. */
export function encodeTrailer(offset: number): Uint8Array {
  const trailer = new ByteWriter(trailerBytes);
  trailer.u32(offset);
  trailer.u32(~offset >>> 0);
  return trailer.result();
}

async function openTable({ files, folder }: Catalog, id: string): Promise<StoreFile> {
  const path = join(folder, '..', 'tables', `${id}.table`);
  const file =
    (await ifThere(() => files.open(path))) ??
    (await ifThere(() => files.open(path + trashSuffix))) ??
    (await ifThere(() => files.open(path)));
  if (file === undefined) throw corrupt(`tables/${id}.table is missing`);
  return file;
}

async function readDirectory(
  { sealer }: Catalog,
  id: string,
  file: StoreFile,
): Promise<TableDirectory> {
  const where = `tables/${id}.table`;
  const size = await file.size();
  const trailer = new Uint8Array(trailerBytes);
  if (size < trailerBytes || (await file.readAt(size - trailerBytes, trailer)) < trailerBytes) {
    throw corrupt(`${where} ends too early`);
  }
  const reader = new ByteReader(trailer, where);
  const offset = reader.u32();
  if (reader.u32() !== ~offset >>> 0 || offset > size) throw corrupt(`${where} was damaged`);
  const { body, end } = await sealer.read(file, offset, section.table, id, where);
  if (end + trailerBytes !== size) throw corrupt(`${where} was damaged`);
  return decodeDirectory(body, where);
}

/** Closes `table` whatever `use` does. */
export async function withTable<T>(
  catalog: Catalog,
  id: string,
  use: (table: PageTable) => Promise<T>,
): Promise<T> {
  const table = await PageTable.open(catalog, id);
  return closing({ close: () => table.close() }, () => use(table));
}
