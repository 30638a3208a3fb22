import { FerryError } from '../../errors.js';
import { RegionMarks } from '../../memory/marks.js';
import { PAGE_BYTES, pageCountOf } from '../../memory/pages.js';
import type { Region } from '../../memory/region.js';
import type { OfferedGlueRegion } from '../wasm/glue.js';
import { bytesOf, type FsNode } from './module.js';

const leastRoom = 64 * 1024;

/** What a file of `byteLength` may grow to before its region is replaced by another: room is bookkeeping, some 10 bytes a page. */
export function roomFor(byteLength: number): number {
  return Math.max(leastRoom, pageCountOf(byteLength) * PAGE_BYTES * 2);
}

/**
 * The contents of one file. At a source they are where the file's node keeps them at the time, marked by the page; a region never shrinks, so what a file lost is zero
 * here until its region is replaced, and its true size is in the state. At a destination they are kept here until a state says which node they belong to.
 */
export class FileRegion implements Region {
  readonly id: number;
  readonly name: string;
  readonly maxByteLength: number;
  readonly held: boolean;
  #fresh: boolean;
  #byteLength: number;
  #node: FsNode | undefined;
  /** What arrived, all of the region. */
  #arriving: Uint8Array | undefined;
  #marks: RegionMarks | undefined;
  /** Contents as they were when last looked at: other ones were put there by somebody who told nobody. */
  #seen: unknown;

  /** Of a file that is here. */
  static of(id: number, name: string, node: FsNode): FileRegion {
    const byteLength = bytesOf(node).byteLength;
    return new FileRegion({ id, name, byteLength, maxByteLength: roomFor(byteLength) }, { node });
  }

  /** Of a file that will come. `own` is what may be an older copy of it; a copy of that is what it begins with. */
  static arriving(offered: OfferedGlueRegion, own: Uint8Array | undefined): FileRegion {
    const arriving = own?.slice(0, offered.byteLength) ?? new Uint8Array(0);
    const { byteLength } = arriving;
    return new FileRegion({ ...offered, byteLength }, { arriving, held: byteLength > 0 });
  }

  private constructor(
    { id, name, byteLength, maxByteLength }: OfferedGlueRegion,
    from: { readonly node?: FsNode; readonly arriving?: Uint8Array; readonly held?: boolean },
  ) {
    this.id = id;
    this.name = name;
    this.maxByteLength = maxByteLength;
    this.held = from.held ?? false;
    this.#byteLength = byteLength;
    this.#node = from.node;
    this.#arriving = from.arriving;
    this.#fresh = from.arriving !== undefined && !this.held;
    this.#seen = from.node?.contents;
  }

  /** True while nothing but zeros was ever here. */
  get fresh(): boolean {
    return this.#fresh;
  }

  get byteLength(): number {
    if (this.#node !== undefined) {
      this.#byteLength = Math.max(this.#byteLength, bytesOf(this.#node).byteLength);
    }
    return this.#byteLength;
  }

  /** True where it no longer fits its file, which then gets another: it outgrew it, or lost more than half of it. */
  get isOutgrown(): boolean {
    if (this.#node === undefined) return false;
    const used = bytesOf(this.#node).byteLength;
    const { byteLength } = this;
    return used > this.maxByteLength || (byteLength > leastRoom && used < byteLength / 2);
  }

  read(offset: number, into: Uint8Array): number {
    const most = Math.max(0, Math.min(into.byteLength, this.byteLength - offset));
    const there = this.#bytes().subarray(offset, offset + most);
    into.set(there);
    into.fill(0, there.byteLength, most);
    return most;
  }

  #bytes(): Uint8Array {
    if (this.#arriving !== undefined && this.#isArriving) return this.#arriving;
    return this.#node === undefined ? new Uint8Array(0) : bytesOf(this.#node);
  }

  /** False once the program that runs gave its file other contents. */
  get #isArriving(): boolean {
    return this.#node === undefined || this.#node.contents === this.#arriving;
  }

  write(offset: number, from: Uint8Array): void {
    const bytes = this.#here();
    if (
      !Number.isSafeInteger(offset) ||
      offset < 0 ||
      offset + from.byteLength > bytes.byteLength
    ) {
      throw new RangeError(`${from.byteLength} bytes at ${offset} lie outside file ${this.name}`);
    }
    this.#fresh = false;
    bytes.set(from, offset);
  }

  grow(byteLength: number): void {
    const before = this.#here();
    if (byteLength === before.byteLength) return;
    if (byteLength < before.byteLength) {
      throw new RangeError(`file ${this.name} cannot shrink to ${byteLength} bytes`);
    }
    if (byteLength > this.maxByteLength) {
      throw new FerryError(
        'ERR_REGION_TOO_LARGE',
        `file ${this.name} cannot grow to ${byteLength} bytes: its maximum is ${this.maxByteLength}`,
      );
    }
    const grown = new Uint8Array(byteLength);
    grown.set(before);
    if (this.#node !== undefined) this.#node.contents = grown;
    this.#arriving = grown;
    this.#byteLength = byteLength;
  }

  #here(): Uint8Array {
    if (this.#arriving !== undefined && this.#isArriving) return this.#arriving;
    throw new FerryError('ERR_GUEST', `file ${this.name} is written by its program alone`);
  }

  /** It belongs to no node for now: another one may have its node next. */
  detach(): void {
    this.#node = undefined;
  }

  /** What arrived is from now on what `node` contains, as far as it is used. */
  attach(node: FsNode, usedBytes: number): void {
    node.contents = this.#here();
    node.usedBytes = usedBytes;
    this.#node = node;
    this.#seen = node.contents;
  }

  /** From now on marks count. */
  startMarks(): void {
    this.#arriving = undefined;
    this.#marks?.clear();
    this.#seen = this.#node?.contents;
  }

  /** Bytes from `first` to `end` were written by an operation that was seen, when `before` were the contents. */
  mark(first: number, end: number, before: unknown): void {
    this.#look(before);
    this.#seen = this.#node?.contents;
    this.#mark(first, end);
  }

  #look(contents: unknown): void {
    if (contents !== this.#seen) this.#mark(0, this.byteLength);
  }

  #mark(first: number, end: number): void {
    const last = Math.min(end, this.maxByteLength);
    if (first >= last) return;
    if (this.#marks === undefined) {
      const pageCount = pageCountOf(this.maxByteLength);
      const buffer = new ArrayBuffer(Math.ceil(pageCount / 64) * 8);
      this.#marks = new RegionMarks({ region: this.id, pageCount, buffer });
    }
    this.#marks.mark(first, last - first);
  }

  /** Its marks, to be moved; undefined if nothing was ever written. */
  takeMarks(): RegionMarks | undefined {
    this.#look(this.#node?.contents);
    this.#seen = this.#node?.contents;
    return this.#marks;
  }
}
