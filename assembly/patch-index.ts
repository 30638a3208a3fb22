// biome-ignore-all lint/correctness/noPrecisionLoss: the multipliers are u64, not doubles
// Where in memory a piece of content was seen last. Of the places of memory it knows the anchors: those whose next 4 bytes, multiplied, fall
// below a bound, which is one place in eight. What moves takes its anchors with it, wherever it goes, so no other places need be looked up
// or taken down; but multiples of 8 are, as what programs allocate moves by such distances. The slot of a place follows from the hash of
// the 16 bytes there. It is a u32: the number of the block of 16 bytes in which the place lies (its address divided by 16) and, above it,
// more bits of the hash. The newest drops what was in its slot; nothing else is ever taken out: what a slot leads to has to be compared
// anyway.
import { prime32x1, prime64x1, prime64x2, prime64x4 } from './mix';
import { pageBytes } from './page';
import { patchBlockBits, patchSlots, patchTable } from './patch-state';

/** Bytes that a slot stands for; and bytes of a block, and of a group of places that are looked at together. */
export const blockBytes: usize = 16;
/** The groups of a page end here: the bytes of all their places lie in the page. */
export const groupsEnd: usize = pageBytes - blockBytes;

/** 4 bytes are an anchor if their product, as a signed number, is below this. */
const anchorBound: i32 = i32.MIN_VALUE + (1 << 29);
/** Of a group at a multiple of 16, the multiples of 8. */
const multiplesOf8: u32 = 0x0101;
/** Of noise, one block in so many bytes is indexed. */
const sparseBytes: usize = 64;

export function blocksEqual(a: usize, b: usize): bool {
  return i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b))) === 0xffff;
}

/** Which of the 4 places `at`, `at` + 4, `at` + 8 and `at` + 12 are anchors. */
function anchorLanes(at: usize): v128 {
  const products = i32x4.mul(v128.load(at), i32x4.splat(<i32>prime32x1));
  return i32x4.lt_s(products, i32x4.splat(anchorBound));
}

/** Which places of the group at `at`, a page's multiple of 16, are indexed and looked up: bit i for `at` + i. Reads 19 bytes. */
export function placesOf(at: usize): u32 {
  const even = v128.bitselect(anchorLanes(at), anchorLanes(at + 2), i32x4.splat(0x0000ffff));
  const odd = v128.bitselect(anchorLanes(at + 1), anchorLanes(at + 3), i32x4.splat(0x0000ffff));
  return <u32>i8x16.bitmask(v128.bitselect(even, odd, i32x4.splat(0x00ff00ff))) | multiplesOf8;
}

export function blockHash(low: u64, high: u64): u64 {
  const hash = low * prime64x1 + rotl<u64>(high * prime64x2, 31);
  return (hash ^ (hash >> 29)) * prime64x4;
}

/** Whether the block is one byte over and over: too common to lead anywhere. */
export function isMonotone(low: u64, high: u64): bool {
  return low === high && low === rotl<u64>(low, 8);
}

/** Address of the slot of what has this hash. */
export function slotOf(state: usize, hash: u64): usize {
  const slot = ((hash >> 32) * <u64>load<u32>(state, patchSlots)) >> 32;
  return load<usize>(state, patchTable) + ((<usize>slot) << 2);
}

/** What a slot says of what has this hash and stands at `address`. */
export function entryOf(state: usize, hash: u64, address: usize): u32 {
  const blockBits = load<u32>(state, patchBlockBits);
  return ((<u32>hash >> blockBits) << blockBits) | <u32>(address / blockBytes);
}

/** Whether the page is as good as random: of what is short in it nothing will be found elsewhere. By the bytes from 128 and below 32. */
function isNoise(page: usize): bool {
  let large: i32 = 0;
  let small: i32 = 0;
  for (let at: usize = 0; at < pageBytes; at += sparseBytes) {
    const bytes = v128.load(page + at);
    large += popcnt(i8x16.bitmask(bytes));
    small += popcnt(i8x16.bitmask(i8x16.lt_u(bytes, i8x16.splat(32))));
  }
  return <u32>(large - 432) < 160 && <u32>(small - 80) < 96;
}

/**
 * Adds places of `next`, which the page at `home` is or is about to become: those of each block, or with `isSparse` a few anchors; with
 * `isAll`, or of blocks that are to become others.
 */
function addPage(state: usize, home: usize, next: usize, isSparse: bool, isAll: bool): void {
  const step = isSparse ? sparseBytes : blockBytes;
  for (let at: usize = 0; at < groupsEnd; at += step) {
    if (!isAll && blocksEqual(home + at, next + at)) {
      const behind = at + blockBytes;
      if (blocksEqual(home + behind, next + behind)) continue;
    }
    let places = placesOf(next + at);
    // The multiples of 8 are not sure to be looked up when they moved.
    if (isSparse) {
      places &= ~multiplesOf8;
      places &= -places;
    }
    for (; places !== 0; places &= places - 1) {
      const place = at + <usize>ctz(places);
      const low = load<u64>(next + place);
      const high = load<u64>(next + place, 8);
      if (isMonotone(low, high)) continue;
      const hash = blockHash(low, high);
      store<u32>(slotOf(state, hash), entryOf(state, hash, home + place));
    }
  }
}

/** Adds a few anchors of `next`, which the page at `home` is about to become: enough for what moves in large pieces. */
export function indexSparsely(state: usize, home: usize, next: usize): void {
  addPage(state, home, next, true, true);
}

/** Adds the places of `next` that are not as in the page at `home`, which is about to become what `next` is. */
export function indexChanges(state: usize, home: usize, next: usize): void {
  addPage(state, home, next, false, false);
}

/** Adds `pages` pages from `page` on: all places, but of noise a few. */
export function patchIndex(state: usize, page: usize, pages: u32): void {
  for (; pages !== 0; pages--, page += pageBytes) addPage(state, page, page, isNoise(page), true);
}
