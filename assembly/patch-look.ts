// Looks a stretch of a page up in the index, all its places together: a slot is mostly in no cache, and so many of them can be waited for at
// once.
import {
  blockBytes,
  blockHash,
  blocksEqual,
  entryOf,
  groupsEnd,
  isMonotone,
  placesOf,
  slotOf,
} from './patch-index';
import { patchBlockBits } from './patch-state';

/** A place of the page, u32 each: where in the page it is, the slot's address, what the slot said, and what it would say of the place. */
export const lookPlace: usize = 0;
const lookSlot: usize = 4;
const lookEntry: usize = 8;
const lookOwn: usize = 12;
export const lookBytes: usize = 16;

/**
 * Bytes of a stretch, which ends at a multiple of 16; there is room for so many places. More of them wait for memory together in a longer
 * one, but what is found at its beginning makes the rest of it needless.
 */
export const stretchBytes: usize = 128;

/**
 * Lists at `list` the places from `from`, a multiple of 16, up to `to` of the page at `next` that are worth a look: not those in blocks that
 * are the same at `home`, or `step` from there, where that lies between `low` and `high`. Returns the end of the list.
 */
function listPlaces(
  state: usize,
  home: usize,
  next: usize,
  from: usize,
  to: usize,
  step: usize,
  low: usize,
  high: usize,
  list: usize,
): usize {
  for (let at = from; at < to; at += blockBytes) {
    const other = home + at + step;
    if (blocksEqual(next + at, home + at)) continue;
    if (other >= low && other + blockBytes <= high && blocksEqual(next + at, other)) continue;
    for (let places = placesOf(next + at); places !== 0; places &= places - 1) {
      const place = at + <usize>ctz(places);
      const first = load<u64>(next + place);
      const second = load<u64>(next + place, 8);
      if (isMonotone(first, second)) continue;
      const hash = blockHash(first, second);
      store<usize>(list, place, lookPlace);
      store<usize>(list, slotOf(state, hash), lookSlot);
      store<u32>(list, entryOf(state, hash, home + place), lookOwn);
      list += lookBytes;
    }
  }
  return list;
}

/** Looks the places that `listPlaces` lists up. Leaves those in the list that were seen before; the others are indexed. Returns its end. */
export function lookUp(
  state: usize,
  home: usize,
  next: usize,
  from: usize,
  to: usize,
  step: usize,
  low: usize,
  high: usize,
  list: usize,
): usize {
  const end = listPlaces(state, home, next, from, min(to, groupsEnd), step, low, high, list);
  // Nothing else goes on meanwhile, least of all a branch: these are what is waited for.
  for (let look = list; look < end; look += lookBytes) {
    store<u32>(look, load<u32>(load<usize>(look, lookSlot)), lookEntry);
  }
  const blockBits = load<u32>(state, patchBlockBits);
  let seenEnd = list;
  for (let look = list; look < end; look += lookBytes) {
    const entry = load<u32>(look, lookEntry);
    const own = load<u32>(look, lookOwn);
    if ((entry ^ own) >> blockBits !== 0) {
      store<u32>(load<usize>(look, lookSlot), own);
    } else {
      v128.store(seenEnd, v128.load(look));
      seenEnd += lookBytes;
    }
  }
  return seenEnd;
}

/** Address of the block in which what `look` stands for began. */
export function seenIn(state: usize, look: usize): usize {
  const numbers = ~(u32.MAX_VALUE << load<u32>(state, patchBlockBits));
  return <usize>(load<u32>(look, lookEntry) & numbers) * blockBytes;
}

/** Where in the block at `block` the 16 bytes at `next` begin; 0 if they do not. Reads 31 bytes. */
export function placeIn(block: usize, next: usize): usize {
  const low = load<u64>(next);
  const high = load<u64>(next, 8);
  const first = i8x16.eq(v128.load(block), i8x16.splat(<i8>low));
  const second = i8x16.eq(v128.load(block, 1), i8x16.splat(<i8>(low >> 8)));
  for (let places = i8x16.bitmask(v128.and(first, second)); places !== 0; places &= places - 1) {
    const at = block + <usize>ctz(places);
    if (load<u64>(at) === low && load<u64>(at, 8) === high) return at;
  }
  return 0;
}
