import { PromisedRoom, type RoomPromise } from '../core/promised-room.js';
import { FerryError } from '../errors.js';
import { freeMemory } from './free-memory.js';

/** Memory for the sessions of a process: what one was promised and has not touched yet no other is. */
export class MemoryRoom {
  readonly #free: () => number | undefined;
  readonly #promised = new PromisedRoom();

  /** `free`: bytes that can still be had; undefined where nobody knows, and everything is promised. */
  constructor(free: () => number | undefined) {
    this.#free = free;
  }

  /** ERR_NO_CAPACITY if there are fewer than `bytes` free, beside what others were promised. */
  take(bytes: number): RoomPromise {
    const promise: RoomPromise = { left: () => bytes };
    const others = this.#promised.beside(promise);
    const free = this.#free();
    if (free !== undefined && bytes + others > free) {
      throw new FerryError(
        'ERR_NO_CAPACITY',
        `${bytes} bytes of memory are needed, and ${free} are free, of which ${others} are promised to others`,
      );
    }
    this.#promised.add(promise);
    return promise;
  }

  /** Idempotent. */
  release(promise: RoomPromise): void {
    this.#promised.remove(promise);
  }
}

export const systemMemory: MemoryRoom = new MemoryRoom(freeMemory);
