import { FerryError } from '../../errors.js';
import type { DirtyBitmap } from '../../memory/bitmap.js';
import { RegionMarks } from '../../memory/marks.js';
import { PAGE_BYTES, pageCountOf } from '../../memory/pages.js';
import type { Region } from '../../memory/region.js';
import type { ShimFile } from './shim.js';

const smallestCapacity = 65536;

/**
 * How large a file of `byteLength` may get before it becomes another region: half as large again, in whole 64 KiB. The larger the file,
 * the larger: so a destination that hears of it later has at least the room that the source counts on.
 */
export function capacityFor(byteLength: number): number {
  return Math.ceil((byteLength * 1.5 + 1) / smallestCapacity) * smallestCapacity;
}

/** What regions of files are called: short, as an offer has them all, and nothing that the program chose. */
export function fileRegionName(id: number): string {
  return `wasi ${id}`;
}

/**
 * The content of one file as a region. A region cannot shrink and a file can: what the file lacks of the region's length is zero, and how
 * long the file is belongs to the state.
 */
export class FileRegion implements Region {
  readonly id: number;
  readonly name: string;
  readonly maxByteLength: number;
  readonly file: ShimFile;
  readonly held: boolean;
  /** The whole region where it arrives: from then on the file's data is the beginning of it. */
  #arriving: Uint8Array<ArrayBuffer> | undefined;
  #fresh: boolean;
  /** The most the file had. */
  #byteLength: number;
  readonly #marks: RegionMarks;
  /** The array that the marks are about: another one may hold anything. */
  #marked: Uint8Array;

  private constructor(
    id: number,
    file: ShimFile,
    arriving?: Uint8Array<ArrayBuffer>,
    held = false,
  ) {
    const byteLength = arriving?.byteLength ?? file.data.byteLength;
    const pageCount = pageCountOf(capacityFor(byteLength));
    const buffer = new ArrayBuffer(Math.ceil(pageCount / 64) * 8);
    this.id = id;
    this.name = fileRegionName(id);
    this.maxByteLength = capacityFor(byteLength);
    this.file = file;
    this.held = held;
    this.#arriving = arriving;
    this.#fresh = arriving !== undefined && !held;
    this.#byteLength = byteLength;
    this.#marks = new RegionMarks({ region: id, pageCount, buffer });
    this.#marked = file.data;
  }

  /** Of a file that is here. */
  static of(id: number, file: ShimFile): FileRegion {
    return new FileRegion(id, file);
  }

  /** Of a file whose content will come, `byteLength` bytes for now. ERR_NO_CAPACITY if there is no memory for it. */
  static arriving(id: number, file: ShimFile, byteLength: number): FileRegion {
    return new FileRegion(id, file, roomFor(byteLength));
  }

  /** As `arriving`, where `older` may have an older copy of it. */
  static held(older: FileRegion, byteLength: number): FileRegion {
    const bytes = roomFor(byteLength);
    older.read(0, bytes.subarray(0, older.byteLength));
    return new FileRegion(older.id, older.file, bytes, true);
  }

  get byteLength(): number {
    if (this.#arriving !== undefined) return this.#arriving.byteLength;
    this.#byteLength = Math.max(this.#byteLength, this.file.data.byteLength);
    return this.#byteLength;
  }

  /** The most the file may have to be this region. */
  get fits(): boolean {
    return this.file.data.byteLength <= this.maxByteLength;
  }

  /** Whether another region would suit the file better, if nobody were told of this one. */
  get isOutgrown(): boolean {
    const { byteLength } = this.file.data;
    return byteLength < this.byteLength || byteLength > this.maxByteLength * (5 / 6);
  }

  get fresh(): boolean {
    return this.#fresh;
  }

  read(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.byteLength, this.byteLength - offset));
    const from = this.#arriving ?? this.file.data;
    const there = from.subarray(offset, offset + count);
    into.set(there);
    into.fill(0, there.byteLength, count);
    return count;
  }

  write(offset: number, from: Uint8Array): void {
    const bytes = this.#arriving;
    if (bytes === undefined || offset + from.byteLength > bytes.byteLength) {
      throw new RangeError(`${from.byteLength} bytes at ${offset} lie outside "${this.name}"`);
    }
    this.#fresh = false;
    bytes.set(from, offset);
  }

  grow(byteLength: number): void {
    const present = this.byteLength;
    if (byteLength === present) return;
    if (byteLength < present) throw new RangeError(`"${this.name}" cannot shrink`);
    if (byteLength > this.maxByteLength || this.#arriving === undefined) {
      throw new FerryError(
        'ERR_REGION_TOO_LARGE',
        `"${this.name}" cannot grow to ${byteLength} bytes: its maximum is ${this.maxByteLength}`,
      );
    }
    const grown = roomFor(byteLength);
    grown.set(this.#arriving);
    this.#arriving = grown;
  }

  /** Data for a file of `size` bytes, at most the region's. Where the region arrives, what is still to come comes into it too. */
  dataOf(size: number): Uint8Array {
    // From 0 on: the shim takes the start of the buffer for the start of the file.
    if (this.#arriving !== undefined) return new Uint8Array(this.#arriving.buffer, 0, size);
    const { data } = this.file;
    if (data.byteLength === size) return data;
    const bytes = roomFor(size);
    bytes.set(data.subarray(0, size));
    return bytes;
  }

  /** The program runs here now: what its file has is what the region is. */
  settle(): void {
    if (this.#arriving === undefined) return;
    this.#byteLength = this.#arriving.byteLength;
    this.#arriving = undefined;
    this.#marked = this.file.data;
  }

  /** Notes that the bytes from `first` up to `end` were written: call it after the store. `before`: the data that the file had before. */
  mark(before: Uint8Array, first: number, end: number): void {
    const most = this.#marks.layout.pageCount * PAGE_BYTES;
    const last = Math.min(end, most);
    if (first < last) this.#marks.mark(first, last - first);
    if (before === this.#marked) this.#marked = this.file.data;
  }

  /** Notes that everything may have been written. */
  markAll(): void {
    this.#marks.mark(0, this.#marks.layout.pageCount * PAGE_BYTES);
    this.#marked = this.file.data;
  }

  takeMarks(into: DirtyBitmap): void {
    if (this.file.data !== this.#marked) this.markAll();
    this.#marks.moveTo(into);
  }

  clearMarks(): void {
    this.#marks.clear();
    this.#marked = this.file.data;
  }
}

function roomFor(byteLength: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(byteLength);
  } catch (cause) {
    throw new FerryError('ERR_NO_CAPACITY', `no memory for a file of ${byteLength} bytes`, {
      cause,
    });
  }
}
