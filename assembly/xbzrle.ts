// XBZRLE: how a page differs from its previous content. Source: QEMU, docs/xbzrle.txt and migration/xbzrle.c; the bytes are the same.
//
//   delta   = (zrun nzrun)*
//   zrun    = length                   bytes that did not change; may be 0 in the first pair only
//   nzrun   = length new-byte{length}  bytes that changed; never 0
//   length  = ULEB128 of at most 2 bytes (14 bits); the encoder writes the shortest, the decoder takes any
//
// Unchanged bytes at the end of the page are left out. No changed byte: the empty delta.

import { difference64 } from './scan';

/** Room a length may need. Asked for before each one, as QEMU does, though most take one byte. */
const maxLengthBytes: usize = 2;

/** Bit i is set where byte i of the 64 at `a` and `b` differs. */
function differenceMask(a: usize, b: usize): u64 {
  const equal0 = <u64>i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
  const equal1 = <u64>i8x16.bitmask(i8x16.eq(v128.load(a, 16), v128.load(b, 16)));
  const equal2 = <u64>i8x16.bitmask(i8x16.eq(v128.load(a, 32), v128.load(b, 32)));
  const equal3 = <u64>i8x16.bitmask(i8x16.eq(v128.load(a, 48), v128.load(b, 48)));
  return ~(equal0 | (equal1 << 16) | (equal2 << 32) | (equal3 << 48));
}

/** The same for the `count` bytes, fewer than 64, that follow the last whole window. */
function differenceMaskOfRest(a: usize, b: usize, count: usize): u64 {
  let mask: u64 = 0;
  for (let at: usize = 0; at < count; at++) {
    mask |= u64(load<u8>(a + at) !== load<u8>(b + at)) << (<u64>at);
  }
  return mask;
}

/** Fewest bytes that the delta of the page from `at` on can take: every changed byte, and two lengths a run. */
function leastBytes(previous: usize, next: usize, bytes: usize, at: usize): usize {
  const windowsEnd = bytes & ~63;
  let changed: u64 = 0;
  let runs: u64 = 0;
  let carry: u64 = 1;
  for (; at < bytes; at += 64) {
    const mask =
      at < windowsEnd
        ? differenceMask(previous + at, next + at)
        : differenceMaskOfRest(previous + at, next + at, bytes - at);
    changed += popcnt(mask);
    runs += popcnt(mask & ~((mask << 1) | carry));
    carry = mask >> 63;
  }
  return <usize>(changed + 2 * runs);
}

/** Writes a length below 16,384; returns the address behind it. */
function writeLength(out: usize, length: usize): usize {
  if (length < 128) {
    store<u8>(out, <u8>length);
    return out + 1;
  }
  store<u16>(out, <u16>((length & 127) | 128 | ((length >> 7) << 8)));
  return out + 2;
}

/** Copies exactly `count` bytes, more than 0: what lies behind them, the next page perhaps, must stay untouched. */
function copyRun(target: usize, source: usize, count: usize): void {
  if (count >= 16) {
    for (let at: usize = 0; at + 16 <= count; at += 16) {
      v128.store(target + at, v128.load(source + at));
    }
    v128.store(target + count - 16, v128.load(source + count - 16));
  } else if (count >= 8) {
    store<u64>(target, load<u64>(source));
    store<u64>(target + count - 8, load<u64>(source + count - 8));
  } else if (count >= 4) {
    store<u32>(target, load<u32>(source));
    store<u32>(target + count - 4, load<u32>(source + count - 4));
  } else {
    store<u8>(target, load<u8>(source));
    if (count > 1) store<u8>(target, load<u8>(source, 1), 1);
    if (count > 2) store<u8>(target, load<u8>(source, 2), 2);
  }
}

/** Copies `count` bytes in steps of 16: faster, but reads and writes up to 15 bytes more. */
function copyRunWithSlack(target: usize, source: usize, count: usize): void {
  const end = target + count;
  do {
    v128.store(target, v128.load(source));
    target += 16;
    source += 16;
  } while (target < end);
}

/**
 * Encodes how `next` differs from `previous` (equal lengths, `bytes` a multiple of 8 up to 4096) into `out`.
 * Returns bytes written; 0 if they are equal; -1 if the delta is longer than `capacity`. Never writes past `capacity`.
 */
export function xbzrleEncode(
  previous: usize,
  next: usize,
  bytes: usize,
  out: usize,
  capacity: usize,
): i32 {
  const limit = out + capacity;
  // A page changed all over is the encoder's slowest case and does not fit in the end. When a sixteenth of the room is used, the rest is
  // measured first, which costs little on such pages and nothing on others.
  let measureAt = out + (capacity >> 4);
  const windowsEnd = bytes & ~63;
  let to = out;
  let runStart: usize = 0;
  let windowEnd: usize = 0;
  let mask: u64 = 0;
  while (true) {
    while (mask === 0) {
      // Windows without a change, most of them, are told by one test that is cheaper than their mask.
      while (
        windowEnd < windowsEnd &&
        !v128.any_true(difference64(previous + windowEnd, next + windowEnd))
      ) {
        windowEnd += 64;
      }
      if (windowEnd >= bytes) return <i32>(to - out);
      mask =
        windowEnd < windowsEnd
          ? differenceMask(previous + windowEnd, next + windowEnd)
          : differenceMaskOfRest(previous + windowEnd, next + windowEnd, bytes - windowEnd);
      windowEnd += 64;
    }
    const firstBit = ctz(mask);
    const changed = windowEnd - 64 + <usize>firstBit;
    if (to + maxLengthBytes > limit) return -1;
    to = writeLength(to, changed - runStart);

    let unchanged = ~mask & (u64.MAX_VALUE << firstBit);
    while (unchanged === 0 && windowEnd < bytes) {
      mask =
        windowEnd < windowsEnd
          ? differenceMask(previous + windowEnd, next + windowEnd)
          : differenceMaskOfRest(previous + windowEnd, next + windowEnd, bytes - windowEnd);
      windowEnd += 64;
      unchanged = ~mask;
    }
    if (unchanged === 0) {
      runStart = bytes;
      mask = 0;
    } else {
      const endBit = ctz(unchanged);
      runStart = windowEnd - 64 + <usize>endBit;
      mask &= u64.MAX_VALUE << endBit;
    }
    const count = runStart - changed;
    if (to + maxLengthBytes > limit) return -1;
    to = writeLength(to, count);
    if (to + count > limit) return -1;
    if (to + count + 15 <= limit && runStart + 15 <= bytes) {
      copyRunWithSlack(to, next + changed, count);
    } else {
      copyRun(to, next + changed, count);
    }
    to += count;
    if (to > measureAt) {
      measureAt = limit;
      if (to + leastBytes(previous, next, bytes, windowEnd) > limit) return -1;
    }
  }
}

/** The length at `at`; its second byte only where the first says so. The caller has seen that two bytes are there. */
function readLength(at: usize): usize {
  const low = <usize>load<u8>(at);
  return low < 128 ? low : (low & 127) | ((<usize>load<u8>(at, 1)) << 7);
}

/** How many bytes the length at `at` takes, or 0 if it takes more than two. */
function lengthBytes(at: usize): usize {
  if (load<u8>(at) < 128) return 1;
  return load<u8>(at, 1) < 128 ? 2 : 0;
}

/** End of the last literal as an offset into the page, or -1 if the delta is malformed for a page of `bytes`. Reads only the delta. */
export function xbzrleCheck(delta: usize, deltaBytes: usize, bytes: usize): i32 {
  const end = delta + deltaBytes;
  let at = delta;
  let offset: usize = 0;
  while (at < end) {
    if (end - at < maxLengthBytes) return -1;
    const zeroRunBytes = lengthBytes(at);
    const zeroRun = readLength(at);
    if (zeroRunBytes === 0 || (zeroRun === 0 && at !== delta)) return -1;
    at += zeroRunBytes;
    offset += zeroRun;
    if (offset > bytes || end - at < maxLengthBytes) return -1;
    const runBytes = lengthBytes(at);
    const run = readLength(at);
    if (runBytes === 0 || run === 0) return -1;
    at += runBytes;
    if (run > bytes - offset || run > end - at) return -1;
    at += run;
    offset += run;
  }
  return <i32>offset;
}

/** Writes the literals of a delta that `xbzrleCheck` accepted into `page`. */
export function xbzrleWrite(delta: usize, deltaBytes: usize, page: usize): void {
  const end = delta + deltaBytes;
  while (delta < end) {
    page += readLength(delta);
    delta += lengthBytes(delta);
    const run = readLength(delta);
    delta += lengthBytes(delta);
    copyRun(page, delta, run);
    delta += run;
    page += run;
  }
}

/** As `xbzrleCheck`, and writes the literals into `page`. A malformed delta writes nothing. */
export function xbzrleDecode(delta: usize, deltaBytes: usize, page: usize, bytes: usize): i32 {
  const end = xbzrleCheck(delta, deltaBytes, bytes);
  if (end > 0) xbzrleWrite(delta, deltaBytes, page);
  return end;
}
