// biome-ignore-all lint/correctness/noPrecisionLoss: the multipliers are u64, not doubles
// Where in memory a piece of content was seen last: for each block of 16 bytes a u32, the number of the block (its address divided by 16)
// and, above it, some bits of its hash. Four of them share a bucket; the newest drops the oldest. Nothing else is ever taken out: what an
// entry leads to has to be compared anyway. In front of the table a filter of 5 bits a block says for most contents that they were never
// seen: it fits the caches where the table does not.
import { prime64x1, prime64x2, prime64x4 } from './mix';
import { pageBytes } from './page';
import {
  patchBlockBits,
  patchBuckets,
  patchFilter,
  patchFilterSet,
  patchFilterWords,
  patchTable,
} from './patch-state';

export const blockBytes: usize = 16;

export function blockHash(low: u64, high: u64): u64 {
  const hash = low * prime64x1 + rotl<u64>(high * prime64x2, 31);
  return (hash ^ (hash >> 29)) * prime64x4;
}

/** Whether the block is one byte over and over: too common to lead anywhere. */
function isMonotone(low: u64, high: u64): bool {
  return low === high && low === rotl<u64>(low, 8);
}

/** A number below `count` by the upper half of the hash. */
function spread(hash: u64, count: u32): usize {
  return <usize>(((hash >> 32) * <u64>count) >> 32);
}

function bucketOf(state: usize, hash: u64): usize {
  return load<usize>(state, patchTable) + (spread(hash, load<u32>(state, patchBuckets)) << 4);
}

function filterWord(state: usize, hash: u64): usize {
  return load<usize>(state, patchFilter) + (spread(hash, load<u32>(state, patchFilterWords)) << 3);
}

/** Two of the filter word's 64 bits. */
function filterBits(hash: u64): u64 {
  return ((<u64>1) << (hash & 63)) | ((<u64>1) << ((hash >> 6) & 63));
}

/** Which lanes of a bucket have the tag of the hash: the lower half's bits above those of a block number. */
function lanesOf(bucket: v128, hash: u64, blockBits: u32): i32 {
  const difference = i32x4.shr_u(v128.xor(bucket, i32x4.splat(<i32>hash)), <i32>blockBits);
  return i32x4.bitmask(i32x4.eq(difference, i32x4.splat(0)));
}

/** Bits of the filter set since `countBits`. */
let bitsAdded: u32 = 0;

function countBits(state: usize): void {
  store<u32>(state, load<u32>(state, patchFilterSet) + bitsAdded, patchFilterSet);
  bitsAdded = 0;
}

function addBlock(state: usize, address: usize, low: u64, high: u64): void {
  if (isMonotone(low, high)) return;
  const hash = blockHash(low, high);
  const blockBits = load<u32>(state, patchBlockBits);
  const entry = ((<u32>hash >> blockBits) << blockBits) | <u32>(address / blockBytes);
  const bucket = bucketOf(state, hash);
  const entries = v128.load(bucket);
  const lanes = lanesOf(entries, hash, blockBits);
  if (lanes !== 0) {
    // The same content, most likely.
    store<u32>(bucket + ((<usize>ctz(lanes)) << 2), entry);
  } else {
    v128.store(bucket, v128.shuffle<i32>(i32x4.splat(<i32>entry), entries, 0, 4, 5, 6));
  }
  const word = filterWord(state, hash);
  const before = load<u64>(word);
  const added = filterBits(hash) & ~before;
  if (added === 0) return;
  store<u64>(word, before | added);
  bitsAdded += <u32>popcnt(added);
}

/** Adds `pages` pages from `page` on. */
export function patchIndex(state: usize, page: usize, pages: u32): void {
  for (const end = page + <usize>pages * pageBytes; page < end; page += blockBytes) {
    addBlock(state, page, load<u64>(page), load<u64>(page, 8));
  }
  countBits(state);
}

/** Adds the blocks of `page` that hold any of its bytes `from` to `to` as they are in `next`. */
export function indexStretch(state: usize, page: usize, next: usize, from: usize, to: usize): void {
  for (let at = from & ~(blockBytes - 1); at < to; at += blockBytes) {
    addBlock(state, page + at, load<u64>(next + at), load<u64>(next + at, 8));
  }
  countBits(state);
}

/** Adds the blocks of `next` that differ from the page at `page`, which is about to become what `next` is. */
export function indexChanges(state: usize, page: usize, next: usize): void {
  for (const end = page + pageBytes; page < end; page += blockBytes, next += blockBytes) {
    const block = v128.load(next);
    if (i8x16.bitmask(i8x16.eq(block, v128.load(page))) === 0xffff) continue;
    addBlock(state, page, i64x2.extract_lane(block, 0), i64x2.extract_lane(block, 1));
  }
  countBits(state);
}

/** Candidates for one block: the bucket it would be in, and which of its lanes are worth a look. */
let bucket: usize = 0;
let lanes: i32 = 0;
let addressBits: u32 = 0;

/** Whether the block {low, high} may have been seen. `nextPlace` then gives the places. */
export function findBlock(state: usize, low: u64, high: u64): bool {
  const hash = blockHash(low, high);
  const bits = filterBits(hash);
  if ((load<u64>(filterWord(state, hash)) & bits) !== bits) return false;
  addressBits = load<u32>(state, patchBlockBits);
  bucket = bucketOf(state, hash);
  lanes = lanesOf(v128.load(bucket), hash, addressBits);
  return lanes !== 0;
}

/** Address of the next candidate; 0 if there is none, or none at this place. */
export function nextPlace(): usize {
  const entry = load<u32>(bucket + ((<usize>ctz(lanes)) << 2));
  lanes &= lanes - 1;
  return <usize>(entry & ~(u32.MAX_VALUE << addressBits)) * blockBytes;
}

export function hasPlaces(): bool {
  return lanes !== 0;
}
