import { MAX_STORED_BYTES } from './block-codec.js';

/** Kept for the next who asks; more are left to the garbage collector. */
const mostKept = 4;

/** Room for blocks, used again and again: what is allocated for each of them costs more than reading it. */
export class BlockRooms {
  readonly #free: ArrayBufferLike[] = [];

  /** Room for any block, as it is stored or raw; with whatever was in it. */
  take(): Uint8Array {
    return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(MAX_STORED_BYTES));
  }

  /** What `take` gave, or a view of it, that nobody looks at any more. */
  give({ buffer }: Uint8Array): void {
    if (this.#free.length < mostKept) this.#free.push(buffer);
  }
}
