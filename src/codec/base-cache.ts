import type { Arena } from '../core/arena.js';
import { PAGE_BYTES } from '../memory/pages.js';

/** Base cache areas of the arena (`captureJob`); both 0 without one. */
export interface BaseCacheAreas {
  readonly cache: number;
  readonly cachePages: number;
}

const slotBytes = PAGE_BYTES + 8;

/** Slots that fit `byteLength` bytes: a power of two, or 0. */
function slotsIn(byteLength: number): number {
  const slots = Math.floor(byteLength / slotBytes);
  return slots < 1 ? 0 : 2 ** Math.floor(Math.log2(slots));
}

/** Bytes of arena that `placeBaseCache` takes. */
export function baseCacheBytesOf(byteLength: number): number {
  return slotsIn(byteLength) * slotBytes + 2 * PAGE_BYTES;
}

/** Makes an empty base cache of at most `byteLength` bytes; `captureJob` in core/kernel-exports.ts says how it is laid out. */
export function placeBaseCache(arena: Arena, byteLength: number): BaseCacheAreas {
  const slots = slotsIn(byteLength);
  if (slots === 0) return { cache: 0, cachePages: 0 };
  const cache = arena.alloc(8 + slots * 8, 64);
  arena.u32(cache, 1)[0] = slots;
  return { cache, cachePages: arena.alloc(slots * PAGE_BYTES, PAGE_BYTES) };
}

/** Forgets every page of the cache at `cache`. */
export function emptyBaseCache(arena: Arena, cache: number): void {
  const [slots = 0] = arena.u32(cache, 1);
  arena.u64(cache + 8, slots).fill(0n);
}
