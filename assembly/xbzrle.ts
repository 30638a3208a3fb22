// XBZRLE: how a page differs from its previous content. Source: QEMU, docs/xbzrle.txt and migration/xbzrle.c; the bytes are the same.
//
//   delta   = (zrun nzrun)*
//   zrun    = length                   bytes that did not change; may be 0 in the first pair only
//   nzrun   = length new-byte{length}  bytes that changed; never 0
//   length  = ULEB128 of at most 2 bytes (14 bits); the encoder writes the shortest, the decoder takes any
//
// Unchanged bytes at the end of the page are left out. No changed byte: the empty delta.

import { isEqual64 } from './scan';

/** No delta gets this much longer than its page. */
const maxBytesAhead: usize = 16384;

/** Bit i is set where byte i of the 64 at `a` and `b` differs. */
function differenceMask(a: usize, b: usize): u64 {
  const equal0 = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b))));
  const equal1 = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(a, 16), v128.load(b, 16))));
  const equal2 = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(a, 32), v128.load(b, 32))));
  const equal3 = <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(a, 48), v128.load(b, 48))));
  return ~(equal0 | (equal1 << 16) | (equal2 << 32) | (equal3 << 48));
}

/**
 * First window of 64 from `at` on in which a byte differs from the one `behind` further on, or `end`. Most windows are told by one test,
 * which is cheaper than their mask.
 */
function skipEqual(at: usize, behind: usize, end: usize): usize {
  for (; at + 256 <= end; at += 256) {
    if (!isEqual64(at, at + behind)) return at;
    if (!isEqual64(at + 64, at + behind + 64)) return at + 64;
    if (!isEqual64(at + 128, at + behind + 128)) return at + 128;
    if (!isEqual64(at + 192, at + behind + 192)) return at + 192;
  }
  for (; at < end; at += 64) {
    if (!isEqual64(at, at + behind)) return at;
  }
  return at;
}

/** The same for the first window in which a byte is equal. */
function skipDifferent(at: usize, behind: usize, end: usize): usize {
  for (; at < end; at += 64) {
    const old = at + behind;
    const low = v128.or(
      i8x16.eq(v128.load(at), v128.load(old)),
      i8x16.eq(v128.load(at, 16), v128.load(old, 16)),
    );
    const high = v128.or(
      i8x16.eq(v128.load(at, 32), v128.load(old, 32)),
      i8x16.eq(v128.load(at, 48), v128.load(old, 48)),
    );
    if (i8x16.bitmask(v128.or(low, high)) !== 0) return at;
  }
  return at;
}

/** Whether the delta of what follows `at`, where a run of changed bytes is under way or not, needs more than `room`: it needs every changed byte, and two lengths a run. */
function needsMore(at: usize, behind: usize, end: usize, inRun: u64, room: usize): bool {
  let needed: u64 = 0;
  for (; at < end; at += 64) {
    const mask = differenceMask(at, at + behind);
    needed += popcnt(mask) + 2 * popcnt(mask & ~((mask << 1) | inRun));
    inRun = mask >> 63;
    if (needed > <u64>room) return true;
  }
  return false;
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

/** Copies exactly `count` bytes, at least 16. */
function copyLongRun(target: usize, source: usize, count: usize): void {
  const end = target + count;
  const last = source + count - 16;
  for (; target + 64 <= end; target += 64, source += 64) {
    v128.store(target, v128.load(source));
    v128.store(target, v128.load(source, 16), 16);
    v128.store(target, v128.load(source, 32), 32);
    v128.store(target, v128.load(source, 48), 48);
  }
  for (; target + 16 <= end; target += 16, source += 16) v128.store(target, v128.load(source));
  v128.store(end - 16, v128.load(last));
}

/**
 * Encodes how `next` differs from `previous` (equal lengths, `bytes` a multiple of 64 up to 4096) into `out`.
 * Returns bytes written; 0 if they are equal; -1 if the delta is longer than `capacity`. The 16 bytes behind the capacity may be
 * overwritten, and those behind `next` are read.
 */
export function xbzrleEncode(
  previous: usize,
  next: usize,
  bytes: usize,
  out: usize,
  capacity: usize,
): i32 {
  const limit = out + capacity;
  const behind = previous - next;
  const end = next + bytes;
  let at = next;
  let to = out;
  // A delta that gets longer than what it is of is about to not fit, and the slowest to make: when `to` gets this far ahead of `at`, the
  // rest is measured, once, before going on.
  let tooFar = out - next;
  // A run is under way: of changed bytes from `start` on if `inRun` is 1. Unchanged bytes before it begin at `from`.
  let inRun: u64 = 0;
  let from = at;
  let start = at;
  while (true) {
    at = inRun !== 0 ? skipDifferent(at, behind, end) : skipEqual(at, behind, end);
    if (at >= end && inRun === 0) return <i32>(to - out);
    // Behind the last byte all is equal: a run that lasts until there ends.
    const mask = at < end ? differenceMask(at, at + behind) : 0;
    // A bit where a run of either kind begins. They alternate, so that two bits are one changed run.
    let turns = mask ^ ((mask << 1) | inRun);
    if (inRun === 0) {
      start = at + <usize>ctz(turns);
      turns &= turns - 1;
    }
    while (turns !== 0) {
      const unchanged = start - from;
      from = at + <usize>ctz(turns);
      turns &= turns - 1;
      const count = from - start;
      if ((unchanged | count) < 128) {
        store<u16>(to, <u16>(unchanged | (count << 8)));
        to += 2;
      } else {
        to = writeLength(writeLength(to, unchanged), count);
      }
      if (to + count > limit) return -1;
      if (count <= 16) v128.store(to, v128.load(start));
      else copyLongRun(to, start, count);
      to += count;
      start = at + <usize>ctz(turns);
      turns &= turns - 1;
    }
    inRun = mask >> 63;
    at += 64;
    if (<isize>(to - at - tooFar) > 0) {
      tooFar += maxBytesAhead;
      if (needsMore(at, behind, end, inRun, limit - to)) return -1;
    }
  }
}

/** Copies exactly `count` bytes, more than 0: what lies behind them must stay untouched. */
function copyRun(target: usize, source: usize, count: usize): void {
  if (count >= 16) {
    copyLongRun(target, source, count);
  } else if (count >= 8) {
    const last = load<u64>(source + count - 8);
    store<u64>(target, load<u64>(source));
    store<u64>(target + count - 8, last);
  } else if (count >= 4) {
    const last = load<u32>(source + count - 4);
    store<u32>(target, load<u32>(source));
    store<u32>(target + count - 4, last);
  } else {
    store<u8>(target, load<u8>(source));
    if (count > 1) {
      store<u8>(target, load<u8>(source, 1), 1);
      store<u8>(target + count - 1, load<u8>(source + count - 1));
    }
  }
}

/** The second byte of a length whose first is `low`, put together with it; above 16,383 if a third would follow. */
function longLength(low: usize, high: usize): usize {
  return (low & 127) | (high << 7);
}

/**
 * Writes the literals of a delta into `page` of `bytes` bytes, or nowhere if that is 0: then the delta is only checked. Returns the end of
 * the last literal as an offset into the page, or -1 if the delta is malformed; part of it may be written by then.
 */
export function xbzrleDecode(delta: usize, deltaBytes: usize, page: usize, bytes: usize): i32 {
  const end = delta + deltaBytes;
  let at = delta;
  let offset: usize = 0;
  while (at < end) {
    // Two lengths and a literal.
    if (end - at < 3) return -1;
    const head = <usize>load<u16>(at);
    let unchanged = head & 127;
    let count = head >> 8;
    at += 2;
    if ((head & 0x8080) !== 0) {
      if ((head & 128) !== 0) {
        unchanged = longLength(unchanged, count);
        count = load<u8>(at);
        at += 1;
      }
      if ((count & 128) !== 0) {
        // What stands behind the delta's end is read at most, never used.
        count = longLength(count, load<u8>(at));
        at += 1;
      }
      if ((unchanged | count) > 16383) return -1;
    }
    if (count === 0 || (unchanged === 0 && offset !== 0)) return -1;
    offset += unchanged;
    if (offset + count > bytes || at + count > end) return -1;
    if (page !== 0) copyRun(page + offset, at, count);
    at += count;
    offset += count;
  }
  return <i32>offset;
}
