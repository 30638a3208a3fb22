// Bitmaps of u64 words: bit i of word w is element 64 w + i. In the shared build every write to a bitmap that another thread may write
// too is one atomic operation on its word, so that no thread's mark is lost; the plain build uses plain loads and stores.

/** Address of the word that holds bit `index`. */
function wordOf(bitmap: usize, index: u32): usize {
  return bitmap + ((<usize>index >> 6) << 3);
}

/** A word with the bits from `index` (modulo 64) on set. */
function onesFrom(index: u32): u64 {
  return u64.MAX_VALUE << (<u64>index & 63);
}

/** A word with the bits below `index` (modulo 64) set; all of them where `index` is a multiple of 64. */
function onesBelow(index: u32): u64 {
  return u64.MAX_VALUE >> (-(<u64>index) & 63);
}

/** Sets the bits of `mask` in the word at `address`; returns the word from before. */
export function orWord(address: usize, mask: u64): u64 {
  if (ASC_FEATURE_THREADS) return atomic.or<u64>(address, mask);
  const before = load<u64>(address);
  store<u64>(address, before | mask);
  return before;
}

/** Clears the bits of `mask` in the word at `address`. */
export function clearWord(address: usize, mask: u64): void {
  if (ASC_FEATURE_THREADS) {
    atomic.and<u64>(address, ~mask);
  } else {
    store<u64>(address, load<u64>(address) & ~mask);
  }
}

/** Sets bit `index`; returns 1 if it was set before. */
export function bitmapSet(bitmap: usize, index: u32): i32 {
  const mask = (<u64>1) << (<u64>index & 63);
  return i32((orWord(wordOf(bitmap, index), mask) & mask) !== 0);
}

/** 1 if bit `index` is set. */
export function bitmapTest(bitmap: usize, index: u32): i32 {
  return i32((load<u64>(wordOf(bitmap, index)) >> (<u64>index & 63)) & 1);
}

/** Sets `count` bits from `first` on. */
export function bitmapSetRange(bitmap: usize, first: u32, count: u32): void {
  if (count === 0) return;
  const end = first + count;
  let word = wordOf(bitmap, first);
  const last = wordOf(bitmap, end - 1);
  let mask = onesFrom(first);
  for (; word < last; word += 8, mask = u64.MAX_VALUE) orWord(word, mask);
  orWord(last, mask & onesBelow(end));
}

/** Clears `count` bits from `first` on. */
export function bitmapClearRange(bitmap: usize, first: u32, count: u32): void {
  if (count === 0) return;
  const end = first + count;
  let word = wordOf(bitmap, first);
  const last = wordOf(bitmap, end - 1);
  let mask = onesFrom(first);
  for (; word < last; word += 8, mask = u64.MAX_VALUE) clearWord(word, mask);
  clearWord(last, mask & onesBelow(end));
}

/** Number of set bits among the first `bits`. */
export function bitmapCount(bitmap: usize, bits: u32): u32 {
  let count: u64 = 0;
  const last = wordOf(bitmap, bits);
  for (; bitmap < last; bitmap += 8) count += popcnt(load<u64>(bitmap));
  if (bits & 63) count += popcnt(load<u64>(last) & onesBelow(bits));
  return <u32>count;
}

/** First bit at or after `from` that is set (`flip` 0) or clear (`flip` all ones), or `bits`. */
function nextBit(bitmap: usize, bits: u32, from: u32, flip: u64): u32 {
  if (from >= bits) return bits;
  let at = from & ~63;
  let word = (load<u64>(wordOf(bitmap, at)) ^ flip) & onesFrom(from);
  while (word === 0) {
    at += 64;
    if (at >= bits) return bits;
    word = load<u64>(wordOf(bitmap, at)) ^ flip;
  }
  return min<u32>(bits, at + <u32>ctz(word));
}

/** First set bit at or after `from`, or `bits`. */
export function bitmapNextSet(bitmap: usize, bits: u32, from: u32): u32 {
  return nextBit(bitmap, bits, from, 0);
}

/** First clear bit at or after `from`, or `bits`. */
export function bitmapNextClear(bitmap: usize, bits: u32, from: u32): u32 {
  return nextBit(bitmap, bits, from, u64.MAX_VALUE);
}

/**
 * Moves the marks of `words` words: into |= from, from = 0. In the shared build each word is fetched and cleared in one step, so a mark
 * set meanwhile is either moved now or still there next time. `into` is the caller's own. Returns bits moved.
 */
export function bitmapFetchClear(from: usize, into: usize, words: u32): u32 {
  let moved: u64 = 0;
  for (const end = from + ((<usize>words) << 3); from < end; from += 8, into += 8) {
    let word = load<u64>(from);
    // An exchange takes the cache line from its writers: spared where there is nothing to take.
    if (word === 0) continue;
    if (ASC_FEATURE_THREADS) {
      word = atomic.xchg<u64>(from, 0);
    } else {
      store<u64>(from, 0);
    }
    moved += popcnt(word);
    store<u64>(into, load<u64>(into) | word);
  }
  return <u32>moved;
}
