// The patch encoder: says a page's new content by bytes that memory already has, wherever they are. Source side only.
import { bitmapTest } from './bitmap';
import { copyLoosely } from './copy';
import { pageBytes } from './page';
import {
  copiedShift,
  fromEarlier,
  fromElsewhere,
  fromLast,
  fromSame,
  leastCopied,
  literalsShift,
  manyCopied,
  manyLiterals,
} from './patch';
import { blockBytes, findBlock, hasPlaces, indexStretch, nextPlace } from './patch-index';
import { replacedPage, ringDistance } from './patch-ring';
import { writeVarint } from './varint';

/** What may be copied from: a region's shadow, and of it the pages whose content the destination has. Set before each page. */
let state: usize = 0;
let shadow: usize = 0;
let shadowEnd: usize = 0;
let shadowed: usize = 0;
let baseKnown: usize = 0;
let hashes: usize = 0;
let zeroHash: u64 = 0;

/** The last candidate found: its address, and the stretch around it that may be copied from. */
let found: usize = 0;
let foundLow: usize = 0;
let foundHigh: usize = 0;

/** A candidate this long is taken without looking for a longer one. */
const longEnough: usize = 16;
/** A candidate elsewhere must be longer by so much: saying where it is costs bytes. */
const displacementCost: usize = 2;
/** Steps between looks grow with the misses since the last match: every 64 of them by 2, so that they stay odd. */
const missesShift: u32 = 6;
/** Without a match up to here there will hardly be one. */
const hopeless: usize = 1024;
/** Places looked at together: where 4 bytes can be equal within 16. */
const placesAtOnce: usize = 13;

/** Says what the next calls of `patchEncode` may copy from: `pages` pages of a region, whose bits and hashes stand from page 0 on. */
export function patchSources(
  patchState: usize,
  regionShadow: usize,
  pages: u32,
  regionShadowed: usize,
  regionBaseKnown: usize,
  regionHashes: usize,
  hashOfZeros: u64,
): void {
  state = patchState;
  shadow = regionShadow;
  shadowEnd = regionShadow + <usize>pages * pageBytes;
  shadowed = regionShadowed;
  baseKnown = regionBaseKnown;
  hashes = regionHashes;
  zeroHash = hashOfZeros;
}

/** Whether the destination has what the shadow page at `address` says. Of a page that is zero the shadow says nothing. */
function isShared(address: usize): bool {
  if (address < shadow || address >= shadowEnd) return false;
  const page = <u32>((address - shadow) / pageBytes);
  if (bitmapTest(shadowed, page) === 0) return false;
  return bitmapTest(baseKnown, page) !== 0 && load<u64>(hashes + ((<usize>page) << 3)) !== zeroHash;
}

/** Whether the 16 bytes at `a` and `b` are equal. */
function blocksEqual(a: usize, b: usize): bool {
  return i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b))) === 0xffff;
}

/** How many of the bytes at `a` and `b` are equal, at most `limit`. Reads up to 15 bytes more. */
function equalBytes(a: usize, b: usize, limit: usize): usize {
  for (let at: usize = 0; at < limit; at += 16) {
    const different = i8x16.bitmask(i8x16.ne(v128.load(a + at), v128.load(b + at)));
    if (different !== 0) return min<usize>(at + <usize>ctz(different), limit);
  }
  return limit;
}

/** Bit i is set where the 4 bytes at `a` + i and at `b` + i are equal; i is below `placesAtOnce`. */
function equalPlaces(a: usize, b: usize): u32 {
  const equal = <u32>i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
  const pairs = equal & (equal >> 1);
  return pairs & (pairs >> 2);
}

/** The same, of `b` only the bytes from `low` to `high`. */
function equalPlacesWithin(a: usize, b: usize, low: usize, high: usize): u32 {
  if (b >= low && b + blockBytes <= high) return equalPlaces(a, b);
  if (b + blockBytes <= low || b + leastCopied > high) return 0;
  let places = equalPlaces(a, b);
  const before = <u32>(low - b);
  const upTo = <u32>(high - b - leastCopied + 1);
  if (b < low) places &= u32.MAX_VALUE << before;
  if (b + blockBytes > high) places &= (1 << upTo) - 1;
  return places;
}

/** Looks the 16 bytes at `next` up. True if they were found: `found` and its stretch are set. */
function seek(next: usize): bool {
  if (!findBlock(state, load<u64>(next), load<u64>(next, 8))) return false;
  while (hasPlaces()) {
    const address = nextPlace();
    const page = address & ~(pageBytes - 1);
    if (isShared(page) && blocksEqual(address, next)) {
      found = address;
      foundLow = page;
      foundHigh = page + pageBytes;
      if (isShared(foundHigh)) foundHigh += pageBytes;
      return true;
    }
    // Overwritten since; the ring may still have it.
    const replaced = replacedPage(state, page);
    const old = replaced + (address - page);
    if (replaced !== 0 && blocksEqual(old, next)) {
      found = old;
      foundLow = replaced;
      foundHigh = replaced + pageBytes;
      return true;
    }
  }
  return false;
}

/** What a step has to say of `source`: where it is in the region, or how far before the end of the ring (negative). */
function placeOf(source: usize): i64 {
  if (source >= shadow && source < shadowEnd) return <i64>(source - shadow);
  return -(<i64>ringDistance(state, source));
}

/** Writes token and literals of a step; returns the address behind them. */
function writeStep(out: usize, from: u32, next: usize, literals: usize, copied: usize): usize {
  const literalCode = min<u32>(<u32>literals, manyLiterals);
  const copiedCode = min<u32>(<u32>copied, manyCopied) - leastCopied;
  store<u8>(out, <u8>(from | (literalCode << literalsShift) | (copiedCode << copiedShift)));
  out += 1;
  if (literalCode === manyLiterals) out = writeVarint(out, <u32>literals - manyLiterals);
  copyLoosely(out, next, literals);
  return out + literals;
}

/**
 * Encodes the page at `next`, of which `home` is the shadow, into `out`. Returns bytes written; -1 if that would be more than `capacity`
 * or there is little to be copied. What is new in the page goes to the index, as it is about to be in the shadow. May write up to 32 bytes
 * more than `capacity`, and read 16 bytes beyond either page.
 */
export function patchEncode(home: usize, next: usize, out: usize, capacity: usize): i32 {
  const limit = out + capacity;
  const place = <i64>(home - shadow);
  let to = out;
  let at: usize = 0;
  let literalsFrom: usize = 0;
  let misses: u32 = 0;
  let isFirst = true;
  // The last two displacements named: as the decoder counts them, as a distance of addresses, and where they may lead.
  let last: i64 = 0;
  let lastStep: usize = 0;
  let lastLow: usize = 0;
  let lastHigh: usize = 0;
  let earlier: i64 = 0;
  let earlierStep: usize = 0;
  let earlierLow: usize = 0;
  let earlierHigh: usize = 0;

  while (at + leastCopied <= pageBytes) {
    // Where bytes stay, or are as far off as those before: no look elsewhere goes beyond the first such place.
    let here = next + at;
    const old = home + at;
    const places = min<usize>(placesAtOnce, pageBytes - leastCopied - at + 1);
    const same = equalPlaces(here, old);
    const atLast = equalPlacesWithin(here, old + lastStep, lastLow, lastHigh);
    const atEarlier = equalPlacesWithin(here, old + earlierStep, earlierLow, earlierHigh);
    const known = (same | atLast | atEarlier) & ((1 << (<u32>places)) - 1);
    const stop = known !== 0 ? <usize>ctz(known) : places;
    let skip: usize = 0;
    let isElsewhere: bool = false;
    while (skip < stop && at + skip + blockBytes <= pageBytes) {
      isElsewhere = seek(here + skip);
      if (isElsewhere) break;
      misses++;
      skip += 1 + <usize>((misses >> missesShift) << 1);
    }
    if (!isElsewhere) skip = known !== 0 ? stop : max<usize>(skip, places);
    at += skip;
    here += skip;
    if (!isElsewhere && known === 0) {
      if (to + (at - literalsFrom) >= limit || (isFirst && at >= hopeless)) return -1;
      continue;
    }

    const rest = pageBytes - at;
    let best: usize = 0;
    let source: usize = 0;
    let from: u32 = fromElsewhere;
    let low: usize = 0;
    if (!isElsewhere) {
      if ((same >> <u32>skip) & 1) {
        source = home + at;
        best = equalBytes(here, source, rest);
        from = fromSame;
        low = home;
      }
      if (best < longEnough && (atLast >> <u32>skip) & 1) {
        const candidate = home + at + lastStep;
        const length = equalBytes(here, candidate, min<usize>(rest, lastHigh - candidate));
        if (length > best) {
          best = length;
          source = candidate;
          from = fromLast;
          low = lastLow;
        }
      }
      if (best < longEnough && (atEarlier >> <u32>skip) & 1) {
        const candidate = home + at + earlierStep;
        const length = equalBytes(here, candidate, min<usize>(rest, earlierHigh - candidate));
        if (length > best) {
          best = length;
          source = candidate;
          from = fromEarlier;
          low = earlierLow;
        }
      }
      isElsewhere = best < longEnough && rest >= blockBytes ? seek(here) : false;
    }
    if (isElsewhere) {
      const length = equalBytes(here, found, min<usize>(rest, foundHigh - found));
      if (length > best + displacementCost) {
        best = length;
        source = found;
        from = fromElsewhere;
        low = foundLow;
      }
    }

    let start = at;
    while (
      start > literalsFrom &&
      source > low &&
      load<u8>(next + start - 1) === load<u8>(source - 1)
    ) {
      start--;
      source--;
    }
    const end = at + best;
    const literals = start - literalsFrom;
    if (to + literals + 16 >= limit) return -1;
    if (literals > 0) indexStretch(state, home, next, literalsFrom, start);
    isFirst = false;
    misses = 0;
    at = end;
    // What stays as it is up to the end of the page needs no step.
    if (from === fromSame && end === pageBytes) {
      if (literals > 0) to = writeStep(to, fromSame, next + literalsFrom, literals, leastCopied);
      return <i32>(to - out);
    }
    let displacement: i64 = 0;
    if (from === fromElsewhere) {
      displacement = placeOf(source) - (place + <i64>start);
      const change = displacement - last;
      if (change > i32.MAX_VALUE || change < i32.MIN_VALUE) return -1;
    }
    to = writeStep(to, from, next + literalsFrom, literals, end - start);
    if (end - start >= <usize>manyCopied) to = writeVarint(to, <u32>(end - start) - manyCopied);
    literalsFrom = end;
    if (from === fromElsewhere) {
      const change = <i32>(displacement - last);
      to = writeVarint(to, <u32>((change << 1) ^ (change >> 31)));
    } else {
      if (from !== fromEarlier) continue;
      displacement = earlier;
      source = home + start + earlierStep;
      foundLow = earlierLow;
      foundHigh = earlierHigh;
    }
    earlier = last;
    earlierStep = lastStep;
    earlierLow = lastLow;
    earlierHigh = lastHigh;
    last = displacement;
    lastStep = source - (home + start);
    lastLow = foundLow;
    lastHigh = foundHigh;
  }
  if (isFirst) return -1;
  const literals = pageBytes - literalsFrom;
  if (literals === 0) return <i32>(to - out);
  if (to + literals + 4 >= limit) return -1;
  indexStretch(state, home, next, literalsFrom, pageBytes);
  to = writeStep(to, fromSame, next + literalsFrom, literals, leastCopied);
  return <i32>(to - out);
}
