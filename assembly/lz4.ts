// The LZ4 block format (lz4_Block_format.md of the LZ4 project): one block without a frame around it.
//
//   block    = sequence* last
//   sequence = token [more] literal{literals} u16 offset [more]     copies token & 15 + 4 bytes from `offset` bytes back
//   last     = token [more] literal{literals}
//   more     = 255* byte, added to the four bits of a token where these are 15
import { copyLoosely } from './copy';

/** Bytes of the table of a compression: the places of 4096 hashes. */
const tableBytes: usize = 16384;
const hashBits: u64 = 12;
/** 40 bits of the golden ratio: the hash is the top of the product. */
const multiplier: u64 = 0x9e3779b97f;
/** Farthest that a sequence copies from. */
const farthest: usize = 65535;
/** Shortest that it copies. */
const leastCopied: usize = 4;
/** The format's rule for encoders: the last sequence that copies begins so far before the end, and stops so far before it. */
const lastStart: usize = 12;
const lastLiterals: usize = 5;
/** What a nibble of a token holds; from here on more bytes follow. */
const nibble: usize = 15;
/** Copied without counting where there is room for it; and how far before either end there still is, for what follows too. */
const stretch: usize = 64;
const stretchAndMore: u32 = 96;
/** Steps between looks grow with the misses since the last sequence: by 1 every 64 of them. */
const missesShift: u32 = 6;

/** Where the table keeps the last place of the 5 bytes at `at`. */
function slotOf(table: usize, at: usize): usize {
  return table + ((<usize>(((load<u64>(at) << 24) * multiplier) >> (64 - hashBits))) << 2);
}

/** How many bytes at `a` and `b` are equal, `b` below `end`. Reads up to 15 bytes beyond. */
function equalBytes(a: usize, b: usize, end: usize): usize {
  const start = b;
  do {
    const different = i8x16.bitmask(i8x16.ne(v128.load(a), v128.load(b)));
    if (different !== 0) return min<usize>(b + <usize>ctz(different), end) - start;
    a += 16;
    b += 16;
  } while (b < end);
  return end - start;
}

/** Writes what of `length` does not fit a nibble of the token; returns the address after it. */
function writeMore(out: usize, length: usize): usize {
  if (length < nibble) return out;
  let more = length - nibble;
  for (; more >= 255; more -= 255) store<u8>(out++, 255);
  store<u8>(out, <u8>more);
  return out + 1;
}

/**
 * Compresses `bytes` bytes at `source` into at most `limit` bytes at `target`, which must not overlap. Returns how many they became, 0 if they do
 * not fit. `table`: 16 KiB of scratch, a multiple of 4. Touches up to 16 bytes behind both areas.
 */
export function lz4Compress(
  source: usize,
  bytes: u32,
  target: usize,
  limit: u32,
  table: usize,
): u32 {
  const end = source + bytes;
  const targetEnd = target + limit;
  let anchor = source;
  let out = target;
  if (bytes > lastStart) {
    memory.fill(table, 0, tableBytes);
    // An empty slot means a place that is too far away from any.
    const base = source - farthest - 1;
    const lastMatch = end - lastStart;
    const nextEnd = lastMatch + 1;
    const copyEnd = end - lastLiterals;
    store<u32>(slotOf(table, source), <u32>(source - base));
    let at = source + 1;
    while (at <= lastMatch) {
      let from: usize = 0;
      let next = at;
      let misses: u32 = 1 << missesShift;
      let slot = slotOf(table, at);
      do {
        at = next;
        next += misses >> missesShift;
        misses += 1;
        if (next > nextEnd) break;
        from = base + load<u32>(slot);
        store<u32>(slot, <u32>(at - base));
        slot = slotOf(table, next);
      } while (at - from > farthest || load<u32>(from) !== load<u32>(at));
      if (next > nextEnd) break;
      while (at > anchor && from > source && load<u8>(at - 1) === load<u8>(from - 1)) {
        at -= 1;
        from -= 1;
      }
      // Then sequences without literals, as long as one follows right behind the other.
      do {
        const literals = at - anchor;
        const copied = equalBytes(from + leastCopied, at + leastCopied, copyEnd);
        // Token, lengths, literals and offset take no more than this.
        if (out + literals + literals / 255 + copied / 255 + 5 > targetEnd) return 0;
        store<u8>(out, <u8>((min<usize>(literals, nibble) << 4) | min<usize>(copied, nibble)));
        out = writeMore(out + 1, literals);
        copyLoosely(out, anchor, literals);
        out += literals;
        store<u16>(out, <u16>(at - from));
        out = writeMore(out + 2, copied);
        at += copied + leastCopied;
        anchor = at;
        if (at > lastMatch) break;
        store<u32>(slotOf(table, at - 2), <u32>(at - 2 - base));
        const here = slotOf(table, at);
        from = base + load<u32>(here);
        store<u32>(here, <u32>(at - base));
      } while (at - from <= farthest && load<u32>(from) === load<u32>(at));
      at += 1;
    }
  }
  const literals = end - anchor;
  if (out + 1 + literals + literals / 255 + 1 > targetEnd) return 0;
  store<u8>(out, <u8>(min<usize>(literals, nibble) << 4));
  out = writeMore(out + 1, literals);
  copyLoosely(out, anchor, literals);
  return <u32>(out + literals - target);
}

/** Copies `count` bytes in steps of 32: reads and writes up to 31 bytes more, or 32 for none. The step is over before what it wrote is read. */
function copyFast(target: usize, source: usize, count: usize): void {
  const end = target + count;
  do {
    v128.store(target, v128.load(source));
    v128.store(target, v128.load(source, 16), 16);
    target += 32;
    source += 32;
  } while (target < end);
}

/** Copies `count` bytes to `target` from `offset` bytes before it, as if one after the other. Writes up to 31 bytes more. */
function copyFromBack(target: usize, offset: usize, count: usize): void {
  const end = target + count;
  // Where they overlap each step doubles what there is to copy from.
  for (; offset < 16 && target < end; offset <<= 1) {
    v128.store(target, v128.load(target - offset));
    target += offset;
  }
  if (target < end) copyFast(target, target - offset, end - target);
}

/** Copies 16 bytes, or 64 if `count` is more: steps that may read what the step before them wrote. */
function copyStretch(target: usize, source: usize, count: usize): void {
  v128.store(target, v128.load(source));
  if (count <= 16) return;
  v128.store(target, v128.load(source, 16), 16);
  v128.store(target, v128.load(source, 32), 32);
  v128.store(target, v128.load(source, 48), 48);
}

/**
 * Decompresses the block of `bytes` bytes at `source` to `target`: exactly `rawBytes` bytes. Returns 1, or 0 if it is malformed or anything else than
 * that: then what is at `target` means nothing. Touches up to 32 bytes behind both areas, wherever the block says it copies from or to.
 */
export function lz4Decompress(source: usize, bytes: u32, target: usize, rawBytes: u32): u32 {
  const end = source + bytes;
  const targetEnd = target + rawBytes;
  const easyEnd = bytes > stretchAndMore ? end - stretchAndMore : source;
  const easyTarget = rawBytes > stretchAndMore ? targetEnd - stretchAndMore : target;
  let at = source;
  let out = target;
  while (at < end) {
    const token = <usize>load<u8>(at);
    at += 1;
    let literals = token >> 4;
    if (literals === nibble) {
      let more: usize;
      do {
        if (at >= end) return 0;
        more = <usize>load<u8>(at);
        at += 1;
        literals += more;
      } while (more === 255);
    }
    if (literals <= stretch && at < easyEnd && out < easyTarget) {
      copyStretch(out, at, literals);
      at += literals;
      out += literals;
    } else {
      if (literals > end - at || literals > targetEnd - out) return 0;
      copyFast(out, at, literals);
      at += literals;
      out += literals;
      if (at === end) return out === targetEnd ? 1 : 0;
      if (end - at < 2) return 0;
    }
    const offset = <usize>load<u16>(at);
    at += 2;
    let copied = token & nibble;
    if (copied === nibble) {
      let more: usize;
      do {
        if (at >= end) return 0;
        more = <usize>load<u8>(at);
        at += 1;
        copied += more;
      } while (more === 255);
    }
    copied += leastCopied;
    if (offset === 0 || offset > out - target) return 0;
    if (copied <= stretch && offset >= 16 && out < easyTarget) {
      copyStretch(out, out - offset, copied);
    } else {
      if (copied > targetEnd - out) return 0;
      copyFromBack(out, offset, copied);
    }
    out += copied;
  }
  return 0;
}
