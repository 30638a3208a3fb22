import { FerryError } from '../errors.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { DiskRoom } from './disk-room.js';
import { fileError, readAt, writeAt } from './file-io.js';
import type { Guest, GuestIdentity } from './guest.js';
import { OlderImage, type OlderPages } from './older-image.js';
import { hasBit, setBit } from './page-bits.js';
import {
  createPartial,
  letGo,
  type PartialFile,
  placePartial,
  removePartial,
} from './partial-file.js';

export interface FileDestinationOptions {
  /** Bytes, as offered; any number from 0 on. */
  readonly byteLength: number;
  /** How long it may get while it is received. Default `byteLength`. */
  readonly maxByteLength?: number;
  /** Name of the region, as offered. */
  readonly name?: string;
  /** Id of the region, as offered. Default 0. */
  readonly id?: number;
  /** Leaves the partial file where a transfer ends without success. */
  readonly keepPartial?: boolean;
  /**
   * An older image: what of it is the same need not be sent. It stays as it is, and may be at `path`. Not used where there is a partial file to go on with. A file
   * that is not there is no base; what cannot be read is ERR_IO. Whoever gives pages closes what they come from.
   */
  readonly base?: string | OlderPages;
  /** Goes on with a partial file that an ended process left, if it was changed within so many milliseconds. Default 0: it is removed. */
  readonly reuseMs?: number;
  /** May be longer than the disk has room for: most of it are holes. Default false: without room for all of it nothing is begun. */
  readonly sparse?: boolean;
}

/** As `stat` counts them. */
const blockBytes = 512;
const zeroPage = Buffer.alloc(PAGE_BYTES);

/**
 * Makes ready to receive an image to be placed at `path`. Until `resume` (all of it arrived and was verified) it is
 * `.NAME.pageferry-partial` beside it. ERR_BUSY while another process receives there, ERR_IO or ERR_DISK_FULL if it cannot be written,
 * or would not fit beside what else this process is about to receive on the same disk. Nothing is allocated: holes stay holes.
 */
export async function fileDestination(
  path: string,
  options: FileDestinationOptions,
): Promise<FileDestination> {
  const partial = await createPartial(path, options.reuseMs);
  let base: OlderImage | undefined;
  let room: DiskRoom | undefined;
  try {
    if (!partial.isLeft && options.base !== undefined) {
      base = await OlderImage.open(options.base, options.byteLength);
    }
    if (options.sparse !== true) {
      const { dev, blocks } = await partial.handle.stat();
      // Of one that an ended process left some is there already.
      const missing = Math.max(0, options.byteLength - blocks * blockBytes);
      room = await DiskRoom.take(partial.partialPath, dev, missing);
    }
    await partial.handle.truncate(options.byteLength);
  } catch (error) {
    await new FileDestination(partial, options, base, room).discard();
    throw fileError(error, `cannot make ${path} ${options.byteLength} bytes long`);
  }
  return new FileDestination(partial, options, base, room);
}

/** A file being received. To start is to take its place: synced, renamed, the folder synced. */
export class FileDestination implements Guest {
  readonly kind = 'file';
  readonly handsOver = false;
  readonly maxStateBytes = 0;
  readonly tracker: DirtyTracker = { exact: true, start() {}, take() {}, stop() {} };
  readonly regions: readonly Region[];
  readonly #partial: PartialFile;
  readonly #keepPartial: boolean;
  readonly #base: OlderImage | undefined;
  readonly #room: DiskRoom | undefined;
  /** Pages of the file that were ever written: the others are holes and read as zeros. */
  readonly #written: Uint8Array;
  #byteLength: number;
  #fresh: boolean;
  #phase: 'receiving' | 'placed' | 'discarded' = 'receiving';
  #unsynced: FerryError | undefined;

  /** `room`: where it is counted what is still to be written. */
  constructor(
    partial: PartialFile,
    options: FileDestinationOptions,
    base?: OlderImage,
    room?: DiskRoom,
  ) {
    this.#partial = partial;
    this.#room = room;
    this.#keepPartial = options.keepPartial ?? false;
    this.#base = base;
    this.#fresh = base === undefined && !partial.isLeft;
    this.#byteLength = options.byteLength;
    const maxByteLength = Math.max(options.byteLength, options.maxByteLength ?? 0);
    this.#written = new Uint8Array(Math.ceil(maxByteLength / PAGE_BYTES / 8));
    // Nobody knows which of its pages are holes.
    if (partial.isLeft) this.#written.fill(0xff);
    this.regions = [this.#makeRegion(options.id ?? 0, options.name ?? 'image', maxByteLength)];
  }

  describe(): GuestIdentity {
    return { kind: this.kind, version: '', features: [] };
  }

  async pause(): Promise<void> {}

  /** Puts the file in its place. Idempotent. */
  async resume(): Promise<void> {
    if (this.#phase === 'placed') return;
    if (this.#phase === 'discarded') {
      throw new FerryError('ERR_GUEST', `what was received for ${this.#partial.path} is gone`);
    }
    this.#unsynced = await placePartial(this.#partial);
    this.#phase = 'placed';
    this.#room?.release();
    await this.#letGo().catch(() => {
      // It was synced and is in its place: to call that a failed start would be a lie.
    });
  }

  /** It ended without success, and what arrived is still there. */
  get isKept(): boolean {
    return this.#phase === 'discarded' && this.#keepPartial;
  }

  /** Why the folder could not be synced, if so: the file is in its place, but a crash of the machine may undo that. */
  get unsynced(): FerryError | undefined {
    return this.#unsynced;
  }

  async saveState(): Promise<Uint8Array> {
    return new Uint8Array();
  }

  async loadState(state: Uint8Array): Promise<void> {
    if (state.byteLength !== 0) {
      throw new FerryError('ERR_GUEST', `a file has no state, but ${state.byteLength} bytes came`);
    }
  }

  /** Removes what was received, unless it is to be kept, or is in its place already. Idempotent. */
  async discard(): Promise<void> {
    if (this.#phase !== 'receiving') return;
    this.#phase = 'discarded';
    this.#room?.release();
    try {
      if (!this.#keepPartial) await removePartial(this.#partial);
    } catch (error) {
      throw fileError(error, `cannot remove ${this.#partial.partialPath}`);
    } finally {
      await this.#letGo();
    }
  }

  async #letGo(): Promise<void> {
    await this.#base?.close();
    await letGo(this.#partial);
  }

  #makeRegion(id: number, name: string, maxByteLength: number): Region {
    const byteLength = (): number => this.#byteLength;
    const fresh = (): boolean => this.#fresh;
    const held = !this.#fresh && this.#byteLength > 0;
    return {
      id,
      name,
      maxByteLength,
      held,
      get byteLength() {
        return byteLength();
      },
      get fresh() {
        return fresh();
      },
      read: (offset, into) => this.#read(offset, into),
      write: (offset, from) => this.#write(offset, from),
      grow: (bytes) => this.#grow(bytes, maxByteLength),
    };
  }

  async #read(offset: number, into: Uint8Array): Promise<number> {
    const wanted = Math.max(0, Math.min(into.byteLength, this.#byteLength - offset));
    const { handle, partialPath } = this.#partial;
    try {
      await this.#base?.takeOver(offset, wanted, (at, bytes) => this.#write(at, bytes));
      const done = await readAt(handle, offset, into.subarray(0, wanted));
      if (done < wanted)
        throw new FerryError('ERR_IO', `${partialPath} was cut to ${offset + done} bytes`);
      return done;
    } catch (error) {
      throw fileError(error, `cannot read ${partialPath}`);
    }
  }

  /** Leaves holes where zeros meet zeros. */
  async #write(offset: number, from: Uint8Array): Promise<void> {
    if (offset < 0 || offset + from.byteLength > this.#byteLength) {
      throw new RangeError(
        `${from.byteLength} bytes at ${offset} lie outside the file of ${this.#byteLength}`,
      );
    }
    this.#fresh = false;
    const writes: Promise<void>[] = [];
    const write = (first: number, end: number): void => {
      if (end > first) writes.push(this.#writeAll(offset + first, from.subarray(first, end)));
    };
    let pendingFrom = 0;
    let at = 0;
    while (at < from.byteLength) {
      // Up to the next page boundary of the file: writes need not begin at one.
      const next = Math.min(from.byteLength, at + PAGE_BYTES - ((offset + at) % PAGE_BYTES));
      if (this.#staysHole(offset + at, from.subarray(at, next))) {
        write(pendingFrom, at);
        pendingFrom = next;
      }
      at = next;
    }
    write(pendingFrom, from.byteLength);
    // All at once: each is an errand to another thread and back. None is under way when this is over.
    for (const end of await Promise.allSettled(writes)) {
      if (end.status === 'rejected') throw end.reason;
    }
  }

  /** Notes the page at `position` as written unless it may stay a hole. `bytes` lie within it. */
  #staysHole(position: number, bytes: Uint8Array): boolean {
    const page = Math.floor(position / PAGE_BYTES);
    this.#base?.settle(page);
    if (hasBit(this.#written, page)) return false;
    if (zeroPage.compare(bytes, 0, bytes.byteLength, 0, bytes.byteLength) === 0) return true;
    setBit(this.#written, page);
    this.#room?.written(Math.min(PAGE_BYTES, this.#byteLength - page * PAGE_BYTES));
    return false;
  }

  async #writeAll(position: number, bytes: Uint8Array): Promise<void> {
    try {
      await writeAt(this.#partial.handle, position, bytes);
    } catch (error) {
      throw fileError(error, `cannot write ${this.#partial.path}`);
    }
  }

  async #grow(bytes: number, maxByteLength: number): Promise<void> {
    if (bytes === this.#byteLength) return;
    if (bytes < this.#byteLength) {
      throw new RangeError(`a file of ${this.#byteLength} bytes does not grow to ${bytes}`);
    }
    if (bytes > maxByteLength) {
      throw new FerryError(
        'ERR_REGION_TOO_LARGE',
        `${this.#partial.path} may have ${maxByteLength} bytes, not ${bytes}`,
      );
    }
    await this.#room?.grow(bytes - this.#byteLength);
    try {
      await this.#partial.handle.truncate(bytes);
    } catch (error) {
      throw fileError(error, `cannot make ${this.#partial.path} ${bytes} bytes long`);
    }
    this.#byteLength = bytes;
  }
}
