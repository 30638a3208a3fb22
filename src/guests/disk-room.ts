import { statfs } from 'node:fs/promises';
import { PromisedRoom, type RoomPromise } from '../core/promised-room.js';
import { FerryError } from '../errors.js';

/** By device, for all of this process. What other processes write is only seen once it is written. */
const promised = new Map<number, PromisedRoom>();

/** Room on a disk for one file that is still to be written; others cannot be promised the same. */
export class DiskRoom implements RoomPromise {
  readonly #path: string;
  readonly #room: PromisedRoom;
  #left: number;

  private constructor(path: string, room: PromisedRoom, bytes: number) {
    this.#path = path;
    this.#room = room;
    this.#left = bytes;
    room.add(this);
  }

  /** For the file at `path`, on the device `dev`. ERR_DISK_FULL if there are fewer than `bytes` free, beside what others were promised. */
  static async take(path: string, dev: number, bytes: number): Promise<DiskRoom> {
    const room = promised.get(dev) ?? new PromisedRoom();
    promised.set(dev, room);
    const own = new DiskRoom(path, room, bytes);
    await own.#check(() => room.before(own));
    return own;
  }

  left = (): number => this.#left;

  /** So many bytes are on the disk now. */
  written(bytes: number): void {
    this.#left = Math.max(0, this.#left - bytes);
  }

  /** The file gets longer by so many bytes. ERR_DISK_FULL; nothing is promised any more then. */
  async grow(bytes: number): Promise<void> {
    this.#left += bytes;
    await this.#check(() => this.#room.beside(this));
  }

  /** What is still missing will not be written. Idempotent. */
  release(): void {
    this.#room.remove(this);
  }

  async #check(others: () => number): Promise<void> {
    const own = this.#left;
    const taken = others();
    const free = await freeBytes(this.#path);
    if (free === undefined || own + taken <= free) return;
    this.release();
    throw new FerryError(
      'ERR_DISK_FULL',
      `${own} bytes may come for ${this.#path}, and ${free} are free, of which ${taken} are promised to others; what is mostly holes has to be said to be sparse`,
    );
  }
}

/** Undefined where the file system does not say. */
async function freeBytes(path: string): Promise<number | undefined> {
  const found = await statfs(path).catch(() => undefined);
  return found === undefined || found.blocks === 0 ? undefined : found.bavail * found.bsize;
}
