// biome-ignore-all lint/correctness/noPrecisionLoss: the multiplier is a u64, not a double
// The cache of bases for pages without a shadow: direct-mapped, a tag per slot. Area: {u32 slots (a power of two), u32 0, u64 tags[slots]};
// the pages stand in an area of their own.
import { pageBytes } from './page';

const tagsAt: usize = 8;
/** 2^64 divided by the golden ratio: neighbouring tags land far apart. */
const spread: u64 = 0x9e3779b97f4a7c15;

/** The tag of a page; never 0, which marks an empty slot. */
export function baseTag(region: u32, page: u32): u64 {
  return (((<u64>region) << 32) | <u64>page) + 1;
}

function slotOf(cache: usize, tag: u64): usize {
  return <usize>((tag * spread) >> 32) & (load<u32>(cache) - 1);
}

/** Address of the cached page with this tag, or 0. */
export function findBase(cache: usize, pages: usize, tag: u64): usize {
  const slot = slotOf(cache, tag);
  return load<u64>(cache + tagsAt + (slot << 3)) === tag ? pages + slot * pageBytes : 0;
}

/** Gives the tag its slot, whoever had it; returns the address its page must now be copied to. */
export function claimBase(cache: usize, pages: usize, tag: u64): usize {
  const slot = slotOf(cache, tag);
  store<u64>(cache + tagsAt + (slot << 3), tag);
  return pages + slot * pageBytes;
}
