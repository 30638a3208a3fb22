// biome-ignore-all lint/correctness/noPrecisionLoss: the multipliers are u64, not doubles
// Where in memory a piece of content was seen last: one u32 for every other block of 16 bytes, the number of a block (its address divided
// by 16) and, above it, some bits of its hash. Whoever comes last has the slot. Nothing is ever taken out: what an entry leads to has to
// be compared anyway. In front of the table a filter of 8 bits a block says for most contents that they were never seen: it fits the
// caches where the table does not.
import { prime64x1, prime64x2, prime64x4 } from './mix';
import { pageBytes } from './page';
import {
  patchBlockBits,
  patchFilter,
  patchFilterWords,
  patchSlots,
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

/** The hash's share in an entry: the bits above a block number. */
function tagOf(state: usize, hash: u64): u32 {
  const bits = load<u32>(state, patchBlockBits);
  return (<u32>hash >> bits) << bits;
}

function slotOf(state: usize, hash: u64): usize {
  const slot = ((hash >> 32) * <u64>load<u32>(state, patchSlots)) >> 32;
  return load<usize>(state, patchTable) + ((<usize>slot) << 2);
}

function filterWord(state: usize, hash: u64): usize {
  const word = ((hash >> 32) * <u64>load<u32>(state, patchFilterWords)) >> 32;
  return load<usize>(state, patchFilter) + ((<usize>word) << 3);
}

/** Two of the filter word's 64 bits. */
function filterBits(hash: u64): u64 {
  return ((<u64>1) << (hash & 63)) | ((<u64>1) << ((hash >> 6) & 63));
}

function addBlock(state: usize, address: usize, low: u64, high: u64): void {
  if (isMonotone(low, high)) return;
  const hash = blockHash(low, high);
  store<u32>(slotOf(state, hash), tagOf(state, hash) | <u32>(address / blockBytes));
  const word = filterWord(state, hash);
  store<u64>(word, load<u64>(word) | filterBits(hash));
}

/** Adds `pages` pages from `page` on. */
export function patchIndex(state: usize, page: usize, pages: u32): void {
  for (const end = page + <usize>pages * pageBytes; page < end; page += blockBytes) {
    addBlock(state, page, load<u64>(page), load<u64>(page, 8));
  }
}

/** Adds the blocks of `next` that differ from the page at `page`, which is about to become what `next` is. */
export function indexChanges(state: usize, page: usize, next: usize): void {
  for (const end = page + pageBytes; page < end; page += blockBytes, next += blockBytes) {
    const block = v128.load(next);
    if (i8x16.bitmask(i8x16.eq(block, v128.load(page))) === 0xffff) continue;
    addBlock(state, page, i64x2.extract_lane(block, 0), i64x2.extract_lane(block, 1));
  }
}

/** Address where the block {low, high} may have been seen last; 0 if it was not. */
export function findBlock(state: usize, low: u64, high: u64): usize {
  const hash = blockHash(low, high);
  const bits = filterBits(hash);
  if ((load<u64>(filterWord(state, hash)) & bits) !== bits) return 0;
  const entry = load<u32>(slotOf(state, hash));
  const tag = tagOf(state, hash);
  const block = entry ^ tag;
  return block >> load<u32>(state, patchBlockBits) !== 0 ? 0 : <usize>block * blockBytes;
}
