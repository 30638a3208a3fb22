// The patch encoder: says a page's new content by bytes that memory already has, wherever they are. Source side only.
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
import { blockBytes } from './patch-index';
import { found, foundAt, foundHigh, foundLow, placeOf, seek, seekBegin } from './patch-seek';
import { writeVarint } from './varint';

/** A candidate this long is taken without looking for a longer one. */
const longEnough: usize = 16;
/** A candidate elsewhere must be longer by so much: saying where it is costs bytes. */
const displacementCost: usize = 2;
/** Without a match up to here there will hardly be one. */
const hopeless: usize = 1024;
/** Places looked at together: where 4 bytes can be equal within 16. */
const placesAtOnce: usize = 13;

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

/** The same, if the bytes at `b` are wholly between `low` and `high`. */
function equalPlacesWithin(a: usize, b: usize, low: usize, high: usize): u32 {
  return b >= low && b + blockBytes <= high ? equalPlaces(a, b) : 0;
}

/** Writes a step, but for the displacement; returns the address behind it. */
function writeStep(out: usize, from: u32, next: usize, literals: usize, copied: usize): usize {
  const literalCode = min<u32>(<u32>literals, manyLiterals);
  const copiedCode = min<u32>(<u32>copied, manyCopied) - leastCopied;
  store<u8>(out, <u8>(from | (literalCode << literalsShift) | (copiedCode << copiedShift)));
  out += 1;
  if (literalCode === manyLiterals) out = writeVarint(out, <u32>literals - manyLiterals);
  copyLoosely(out, next, literals);
  out += literals;
  return copiedCode + leastCopied === manyCopied ? writeVarint(out, <u32>copied - manyCopied) : out;
}

/**
 * Encodes the page at `next`, of which `home` is the shadow, into `out`. Returns bytes written; -1 if that would be more than `capacity`
 * or there is little to be copied. What is new in the page goes to the index, as it is about to be in the shadow. May write up to 32 bytes
 * more than `capacity`, and read 16 bytes beyond either page.
 */
export function patchEncode(home: usize, next: usize, out: usize, capacity: usize): i32 {
  const limit = out + capacity;
  const place = placeOf(home);
  let to = out;
  let at: usize = 0;
  let literalsFrom: usize = 0;
  let literalsTo = pageBytes;
  let isFirst = true;
  seekBegin();
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
    // Where bytes stay, or are as far off as those before; and up to where something better may begin.
    const here = next + at;
    const old = home + at;
    const places = min<usize>(placesAtOnce, pageBytes - leastCopied - at + 1);
    const same = equalPlaces(here, old);
    const atLast = equalPlacesWithin(here, old + lastStep, lastLow, lastHigh);
    const atEarlier = equalPlacesWithin(here, old + earlierStep, earlierLow, earlierHigh);
    const known = (same | atLast | atEarlier) & ((1 << (<u32>places)) - 1);
    let start = at + places;
    let reach = start;
    let best: usize = 0;
    let source: usize = 0;
    let from: u32 = fromElsewhere;
    let low: usize = 0;
    let high: usize = 0;
    if (known !== 0) {
      const skip = <u32>ctz(known);
      start = at + <usize>skip;
      const rest = pageBytes - start;
      for (let known: u32 = fromSame; known <= fromEarlier && best < longEnough; known++) {
        const places = known === fromSame ? same : known === fromLast ? atLast : atEarlier;
        if (((places >> skip) & 1) === 0) continue;
        let candidate = home + start;
        let end = home + pageBytes;
        if (known !== fromSame) {
          candidate += known === fromLast ? lastStep : earlierStep;
          end = known === fromLast ? lastHigh : earlierHigh;
        }
        const length = equalBytes(next + start, candidate, min<usize>(rest, end - candidate));
        if (length <= best) continue;
        best = length;
        source = candidate;
        from = known;
      }
      low = from === fromSame ? home : from === fromLast ? lastLow : earlierLow;
      high = from === fromLast ? lastHigh : earlierHigh;
      reach = best < longEnough ? start + best : start;
    }
    while (seek(home, next, at, reach, lastStep, lastLow, lastHigh)) {
      at = foundAt;
      let candidate = found;
      if (at <= start) {
        start = at;
        best = 0;
      } else {
        // It has to reach back to where bytes are known to stay.
        candidate -= at - start;
        if (candidate < foundLow) continue;
      }
      const most = min<usize>(pageBytes - start, foundHigh - candidate);
      const length = equalBytes(next + start, candidate, most);
      if (length <= best + displacementCost) continue;
      best = length;
      source = candidate;
      from = fromElsewhere;
      low = foundLow;
      high = foundHigh;
      break;
    }
    if (best === 0) {
      at = start;
      if (to + (at - literalsFrom) >= limit || (isFirst && at >= hopeless)) return -1;
      continue;
    }

    const end = start + best;
    while (
      start > literalsFrom &&
      source > low &&
      load<u8>(next + start - 1) === load<u8>(source - 1)
    ) {
      start--;
      source--;
    }
    const literals = start - literalsFrom;
    if (to + literals + 16 >= limit) return -1;
    isFirst = false;
    at = end;
    // What stays as it is up to the end of the page needs no step.
    if (from === fromSame && end === pageBytes) {
      literalsTo = start;
      break;
    }
    let displacement: i64 = 0;
    if (from === fromElsewhere) {
      displacement = placeOf(source) - (place + <i64>start);
      const change = displacement - last;
      if (change > i32.MAX_VALUE || change < i32.MIN_VALUE) return -1;
    }
    to = writeStep(to, from, next + literalsFrom, literals, end - start);
    literalsFrom = end;
    if (from === fromElsewhere) {
      const change = <i32>(displacement - last);
      to = writeVarint(to, <u32>((change << 1) ^ (change >> 31)));
    } else {
      if (from !== fromEarlier) continue;
      displacement = earlier;
    }
    earlier = last;
    earlierStep = lastStep;
    earlierLow = lastLow;
    earlierHigh = lastHigh;
    last = displacement;
    lastStep = source - (home + start);
    lastLow = low;
    lastHigh = high;
  }
  if (isFirst) return -1;
  const literals = literalsTo - literalsFrom;
  if (literals === 0) return <i32>(to - out);
  if (to + literals + 4 >= limit) return -1;
  to = writeStep(to, fromSame, next + literalsFrom, literals, leastCopied);
  return <i32>(to - out);
}
