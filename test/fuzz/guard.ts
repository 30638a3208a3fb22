import { Arena } from '../../src/core/arena.js';

const guardBytes = 256;
const guard: Uint8Array = Uint8Array.from({ length: guardBytes }, (_, index) => 0xa5 ^ index);

/** Bytes that must stay as they are, before and behind some area. */
export class Guards {
  readonly #guards: Uint8Array[] = [];

  /** `byteLength` bytes between two guards. */
  around(byteLength: number): Uint8Array {
    const memory = new Uint8Array(byteLength + 2 * guardBytes);
    this.#put(memory.subarray(0, guardBytes));
    this.#put(memory.subarray(guardBytes + byteLength));
    return memory.subarray(guardBytes, guardBytes + byteLength);
  }

  /** While `make` runs, every area of every arena is put between guards, none larger than it was asked for. */
  inArenas<T>(make: () => T): T {
    const guards = this;
    const { alloc } = Arena.prototype;
    Arena.prototype.alloc = function (this: Arena, bytes: number, align?: number): number {
      alloc.call(this, guardBytes, 1);
      const address = alloc.call(this, bytes, align);
      guards.#put(this.bytes(address - guardBytes, guardBytes));
      guards.#put(this.bytes(alloc.call(this, guardBytes, 1), guardBytes));
      return address;
    };
    try {
      return make();
    } finally {
      Arena.prototype.alloc = alloc;
    }
  }

  /** Throws if one was written to, and puts it right: the next input is to be told by what it does itself. */
  check(): void {
    for (const bytes of this.#guards) {
      if (Buffer.compare(bytes, guard) !== 0) {
        bytes.set(guard);
        throw new Error(`byte ${bytes.byteOffset} was written: it belongs to no area`);
      }
    }
  }

  #put(bytes: Uint8Array): void {
    bytes.set(guard);
    this.#guards.push(bytes);
  }
}
