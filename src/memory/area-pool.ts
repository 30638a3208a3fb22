import type { Arena } from '../core/arena.js';

const smallestClass = 1 << 12;

/** Bytes that `take` sets aside for a request of `byteLength`: the next power of two up to 1 MiB, whole MiB above. */
export function areaClass(byteLength: number): number {
  const mib = 1 << 20;
  if (byteLength > mib) return Math.ceil(byteLength / mib) * mib;
  let size = smallestClass;
  while (size < byteLength) size *= 2;
  return size;
}

/** Zeroed, page-aligned areas of an arena, used again when given back: regions come and go, an arena only fills up. */
export class AreaPool {
  readonly #arena: Arena;
  readonly #free = new Map<number, number[]>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Address of `byteLength` zero bytes, 4096-aligned. ERR_NO_CAPACITY if the arena is full. */
  take(byteLength: number): number {
    const size = areaClass(byteLength);
    const used = this.#free.get(size)?.pop();
    if (used === undefined) return this.#arena.alloc(size, 4096);
    this.#arena.bytes(used, size).fill(0);
    return used;
  }

  /** Gives back what `take(byteLength)` returned. */
  give(address: number, byteLength: number): void {
    const size = areaClass(byteLength);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [address]);
    else free.push(address);
  }
}
