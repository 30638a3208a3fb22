import { Arena } from '../../src/core/arena.js';

/** Where simulations get the memory of their guests from, zeroed. */
export interface MemorySupply {
  buffer(byteLength: number, isShared: boolean): ArrayBufferLike;
}

export const freshMemory: MemorySupply = {
  buffer: (byteLength, isShared) =>
    isShared ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength),
};

/** Smaller arenas are left alone: some belong to nobody's migration, and all are cheap. */
const smallestArenaBytes = 16 << 20;
const chunkBytes = 65_536;
const zeros = new Uint8Array(chunkBytes);

type Reused = WebAssembly.Memory | ArrayBufferLike;

/**
 * Memory of one simulation after the other: making it, faulting it in and collecting it cost ten times what a small migration does. What was
 * used is zeroed in between, so that it is as new. While it is installed the arenas of engines made on this thread take their memory here.
 */
export class ReusedMemory implements MemorySupply {
  readonly #free = new Map<string, Reused[]>();
  /** What is in use, by key, and how many of its bytes may have been written. */
  readonly #taken = new Map<Reused, { readonly key: string; usedBytes: number }>();

  buffer(byteLength: number, isShared: boolean): ArrayBufferLike {
    const key = `buffer of ${byteLength}${isShared ? ', shared' : ''}`;
    return this.#take(key, byteLength, () => freshMemory.buffer(byteLength, isShared));
  }

  /** Zeroes what is in use and has it ready for whoever is next. Nobody may use it any more. */
  reuse(): void {
    for (const [memory, { key, usedBytes }] of this.#taken) {
      wipe(memory instanceof WebAssembly.Memory ? memory.buffer : memory, usedBytes);
      const free = this.#free.get(key);
      if (free === undefined) this.#free.set(key, [memory]);
      else free.push(memory);
    }
    this.#taken.clear();
  }

  /** Everything that is ready for the next one. */
  get free(): readonly ArrayBufferLike[] {
    return [...this.#free.values()]
      .flat()
      .map((memory) => (memory instanceof WebAssembly.Memory ? memory.buffer : memory));
  }

  /** Has arenas take their memory here until the returned function is called. */
  install(): () => void {
    const { Memory } = WebAssembly;
    const { alloc } = Arena.prototype;
    const make = (descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory => {
      const { initial, maximum, shared = false } = descriptor;
      if (initial !== maximum || initial * chunkBytes < smallestArenaBytes) {
        return new Memory(descriptor);
      }
      const key = `arena of ${initial} pages${shared ? ', shared' : ''}`;
      return this.#take(key, 0, () => new Memory(descriptor));
    };
    const taken = this.#taken;
    WebAssembly.Memory = new Proxy(Memory, {
      construct: (_, [descriptor]: [WebAssembly.MemoryDescriptor]) => make(descriptor),
    });
    // Areas are handed out in order, and nothing is written outside of them.
    Arena.prototype.alloc = function (this: Arena, bytes: number, align?: number): number {
      const address = alloc.call(this, bytes, align);
      const use = taken.get(this.memory as WebAssembly.Memory);
      if (use !== undefined) use.usedBytes = address + bytes;
      return address;
    };
    return () => {
      WebAssembly.Memory = Memory;
      Arena.prototype.alloc = alloc;
    };
  }

  #take<T extends Reused>(key: string, usedBytes: number, make: () => T): T {
    const memory = (this.#free.get(key)?.pop() as T | undefined) ?? make();
    this.#taken.set(memory, { key, usedBytes });
    return memory;
  }
}

/** Most of it is zero still, and reading that costs less than writing it. */
function wipe(buffer: ArrayBufferLike, usedBytes: number): void {
  for (let at = 0; at < usedBytes; at += chunkBytes) {
    const chunk = new Uint8Array(buffer, at, Math.min(chunkBytes, buffer.byteLength - at));
    if (Buffer.compare(chunk, zeros.subarray(0, chunk.length)) !== 0) chunk.fill(0);
  }
}
