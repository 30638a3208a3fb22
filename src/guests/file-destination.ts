import { FerryError } from '../errors.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { fileError, readAt, writeAt } from './file-io.js';
import type { Guest, GuestIdentity } from './guest.js';
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
  /** Leaves the partial file where a transfer ends without success. */
  readonly keepPartial?: boolean;
}

const zeroPage = Buffer.alloc(PAGE_BYTES);

/**
 * Makes ready to receive an image to be placed at `path`. Until `resume` (all of it arrived and was verified) it is
 * `.NAME.pageferry-partial` beside it. ERR_BUSY while another process receives there, ERR_IO or ERR_DISK_FULL if it cannot be written.
 * No room is reserved: an image may be as sparse as its length is great.
 */
export async function fileDestination(
  path: string,
  options: FileDestinationOptions,
): Promise<FileDestination> {
  const partial = await createPartial(path);
  const guest = new FileDestination(partial, options);
  try {
    await partial.handle.truncate(options.byteLength);
  } catch (error) {
    await guest.discard();
    throw fileError(error, `cannot make ${path} ${options.byteLength} bytes long`);
  }
  return guest;
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
  /** Pages of the file that were ever written: the others are holes and read as zeros. */
  readonly #written: Uint8Array;
  #byteLength: number;
  #fresh = true;
  #phase: 'receiving' | 'placed' | 'discarded' = 'receiving';
  #unsynced: FerryError | undefined;

  constructor(partial: PartialFile, options: FileDestinationOptions) {
    this.#partial = partial;
    this.#keepPartial = options.keepPartial ?? false;
    this.#byteLength = options.byteLength;
    const maxByteLength = Math.max(options.byteLength, options.maxByteLength ?? 0);
    this.#written = new Uint8Array(Math.ceil(maxByteLength / PAGE_BYTES / 8));
    this.regions = [this.#makeRegion(options.name ?? 'image', maxByteLength)];
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
    await letGo(this.#partial).catch(() => {
      // It was synced and is in its place: to call that a failed start would be a lie.
    });
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
    try {
      if (!this.#keepPartial) await removePartial(this.#partial);
    } catch (error) {
      throw fileError(error, `cannot remove ${this.#partial.partialPath}`);
    } finally {
      await letGo(this.#partial);
    }
  }

  #makeRegion(name: string, maxByteLength: number): Region {
    const byteLength = (): number => this.#byteLength;
    const fresh = (): boolean => this.#fresh;
    return {
      id: 0,
      name,
      maxByteLength,
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
    let pendingFrom = 0;
    let at = 0;
    while (at < from.byteLength) {
      // Up to the next page boundary of the file: writes need not begin at one.
      const next = Math.min(from.byteLength, at + PAGE_BYTES - ((offset + at) % PAGE_BYTES));
      if (this.#staysHole(offset + at, from.subarray(at, next))) {
        await this.#writeAll(offset + pendingFrom, from.subarray(pendingFrom, at));
        pendingFrom = next;
      }
      at = next;
    }
    await this.#writeAll(offset + pendingFrom, from.subarray(pendingFrom));
  }

  /** Notes the page at `position` as written unless it may stay a hole. `bytes` lie within it. */
  #staysHole(position: number, bytes: Uint8Array): boolean {
    const page = Math.floor(position / PAGE_BYTES);
    const group = page >>> 3;
    const bit = 1 << (page % 8);
    const noted = this.#written[group] ?? 0;
    if ((noted & bit) !== 0) return false;
    if (zeroPage.compare(bytes, 0, bytes.byteLength, 0, bytes.byteLength) === 0) return true;
    this.#written[group] = noted | bit;
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
    try {
      await this.#partial.handle.truncate(bytes);
    } catch (error) {
      throw fileError(error, `cannot make ${this.#partial.path} ${bytes} bytes long`);
    }
    this.#byteLength = bytes;
  }
}
