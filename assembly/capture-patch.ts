// What capture does for the sake of patches: tries one where a delta is long, keeps what large changes replace, and the index up to date.

import { bitmapSet } from './bitmap';
import {
  jobPatch,
  jobRegionBaseKnown,
  jobRegionHashes,
  jobRegionShadow,
  jobRegionShadowed,
  jobRegionShadowPages,
  jobUnindexed,
  jobZeroHash,
} from './capture-job';
import { copyLoosely } from './copy';
import { fillPage } from './fill';
import { pageBytes } from './page';
import { ringedDeltaBytes } from './patch';
import { patchEncode } from './patch-encode';
import { indexChanges, indexSparsely } from './patch-index';
import { pushPage, pushReplaced } from './patch-ring';
import { patchSources } from './patch-seek';
import { patchCredit, patchRest, patchScratch, patchTrying } from './patch-state';
import { deltaLengthBytes, kindDelta, kindPatch } from './run';

/** A patch must save so many bytes: building it takes the destination longer. */
const worthwhileSaving: usize = 8;
/** Tries are paid from what tries saved, bytes of the wire both: without credit only one page in `restPages` + 1 is tried. */
const maxCredit: u32 = 16384;
const restPages: u32 = 7;

/** Whether a try at a patch pays. `delta`: bytes of the delta with its length field, or 0 where there is none. */
function isWorthTrying(state: usize, delta: u32): bool {
  if (delta !== 0 && delta <= ringedDeltaBytes + <u32>deltaLengthBytes) return false;
  if (load<u32>(state, patchTrying) === 0) return false;
  const rest = load<u32>(state, patchRest);
  if (rest === 0) return true;
  store<u32>(state, rest - 1, patchRest);
  return false;
}

/** Books a try that saved so many bytes, or none. */
function bookTry(state: usize, saved: u32): void {
  const tryCost = load<u32>(state, patchTrying);
  const credit = min(load<u32>(state, patchCredit) + saved, maxCredit);
  store<u32>(state, credit - min(credit, tryCost), patchCredit);
  if (credit < tryCost) store<u32>(state, restPages, patchRest);
}

/**
 * Encodes `page`, whose shadow is at `home`, as the frame's next patch payload at `out`, if that is shorter than its `delta` or raw.
 * Returns its bytes, or 0. A shadow that says nothing because the page was zero (`wasZero`) is made to say so.
 */
export function capturePatch(
  job: usize,
  home: usize,
  page: usize,
  wasZero: bool,
  delta: u32,
  out: usize,
): u32 {
  const state = load<usize>(job, jobPatch);
  if (!isWorthTrying(state, delta)) return 0;
  if (wasZero) fillPage(home, 0);
  patchSources(
    state,
    load<usize>(job, jobRegionShadow),
    load<u32>(job, jobRegionShadowPages),
    load<usize>(job, jobRegionShadowed),
    load<usize>(job, jobRegionBaseKnown),
    load<usize>(job, jobRegionHashes),
    load<u64>(job, jobZeroHash),
  );
  const scratch = load<usize>(state, patchScratch);
  const otherwise = delta !== 0 ? delta : <u32>pageBytes;
  const most = <usize>otherwise - deltaLengthBytes - worthwhileSaving;
  const encoded = patchEncode(home, page, scratch, most);
  const bytes = <u32>deltaLengthBytes + <u32>encoded;
  bookTry(state, encoded > 0 ? otherwise - bytes : 0);
  if (encoded <= 0) return 0;
  store<u16>(out, <u16>encoded);
  copyLoosely(out + deltaLengthBytes, scratch, <usize>encoded);
  return bytes;
}

/**
 * The page at index `index` of the window goes as `kind` with `bytes` of payload. `base`: what it was until now, if that is known; `home`: its shadow, which is
 * about to become what `page` is, or 0 if it has none. Whatever is known of it, the ring gets what the destination's gets. Only small changes
 * are indexed at once, and of larger ones what finds large pieces. All the rest is indexed later: it may be much, and there will be time while
 * the link is busy. Until then what a patch moved is found where it was; what is new in it, the try indexed. While no patches are tried
 * everything is indexed later.
 */
export function noteReplaced(
  job: usize,
  index: u32,
  base: usize,
  home: usize,
  page: usize,
  wasZero: bool,
  isNew: bool,
  kind: u32,
  bytes: u32,
): void {
  const state = load<usize>(job, jobPatch);
  const isRinged =
    kind === kindPatch || (kind === kindDelta && bytes > ringedDeltaBytes + <u32>deltaLengthBytes);
  if (home === 0) {
    if (isRinged) pushPage(state, base);
    return;
  }
  if (isRinged) {
    if (wasZero) fillPage(home, 0);
    pushReplaced(state, home);
  }
  // Where nothing is looked up nothing is kept up either: that costs more than all else that is done to a page.
  const isTrying = load<u32>(state, patchTrying) !== 0;
  if (kind === kindDelta && !isRinged && !isNew && isTrying) {
    indexChanges(state, home, page);
    return;
  }
  bitmapSet(load<usize>(job, jobUnindexed), index);
  if (kind !== kindPatch && !isNew && isTrying) indexSparsely(state, home, page);
}
