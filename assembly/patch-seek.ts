// What a page may be copied from, and where in it its pieces are: asks the index, compares, and asks the ring for what was overwritten since.
import { bitmapTest } from './bitmap';
import { pageBytes } from './page';
import { blockBytes } from './patch-index';
import { lookBytes, lookPlace, lookUp, placeIn, seenIn, stretchBytes } from './patch-look';
import { replacedPage, ringDistance } from './patch-ring';
import { patchLooks } from './patch-state';

/** A region's shadow, and of it the pages whose content the destination has. Set before each page. */
let state: usize = 0;
let shadow: usize = 0;
let shadowEnd: usize = 0;
let shadowed: usize = 0;
let baseKnown: usize = 0;
let hashes: usize = 0;
let zeroHash: u64 = 0;

/** The last candidate found: of what place in the page, its address, and the stretch around it that may be copied from. */
export let foundAt: usize = 0;
export let found: usize = 0;
export let foundLow: usize = 0;
export let foundHigh: usize = 0;

/** Up to where the page was looked up, and what was seen of that and not yet tried. */
let list: usize = 0;
let lookedUpTo: usize = 0;
let look: usize = 0;
let lookEnd: usize = 0;

/** Says what the next pages may be copied from: `pages` pages of a region, whose bits and hashes stand from page 0 on. */
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

/** Begins anew, with another page. */
export function seekBegin(): void {
  list = load<usize>(state, patchLooks);
  look = list;
  lookEnd = list;
  lookedUpTo = 0;
}

/** Whether the 16 bytes at `next` are where `look` was seen: `found` and its stretch are set. */
function isThere(next: usize): bool {
  const block = seenIn(state, look);
  const page = block & ~(pageBytes - 1);
  foundLow = isShared(page) ? page : 0;
  let isOld = false;
  while (true) {
    foundHigh = foundLow + pageBytes;
    found = foundLow !== 0 ? placeIn(foundLow + (block - page), next) : 0;
    if (found !== 0 && found + blockBytes <= foundHigh) break;
    if (isOld) return false;
    // Overwritten since; the ring may still have it.
    foundLow = replacedPage(state, page);
    isOld = true;
  }
  if (!isOld && isShared(foundHigh)) foundHigh += pageBytes;
  return true;
}

/**
 * Seeks the places of the page at `next` from `at` up to `reach`, each asked for once, in ascending order. True if there is a candidate:
 * `found` and so on. What is as it is in the page at `home`, or at `step` from there between `low` and `high`, is left out, and what is not
 * found goes to the index, as the page is about to stand at `home`.
 */
export function seek(
  home: usize,
  next: usize,
  at: usize,
  reach: usize,
  step: usize,
  low: usize,
  high: usize,
): bool {
  while (true) {
    while (look < lookEnd) {
      const place = load<usize>(look, lookPlace);
      if (place >= reach) return false;
      const isFound = place >= at && isThere(next + place);
      look += lookBytes;
      if (!isFound) continue;
      foundAt = place;
      return true;
    }
    if (lookedUpTo >= reach) return false;
    const from = max(at & ~(blockBytes - 1), lookedUpTo);
    lookedUpTo = from + stretchBytes;
    look = list;
    lookEnd = lookUp(state, home, next, from, lookedUpTo, step, low, high, list);
  }
}

/** What a step has to say of `source`: where it is in the region, or how far before the end of the ring (negative). */
export function placeOf(source: usize): i64 {
  if (source >= shadow && source < shadowEnd) return <i64>(source - shadow);
  return -(<i64>ringDistance(state, source));
}
