// Capture: everything that is done to a page that may have changed, in one call while the page is in the first-level cache: compare,
// encode, hash, remember. docs/protocol.md, section 4, says which kind a page goes as.
import { baseTag, claimBase, findBase } from './base-cache';
import { bitmapSet, bitmapTest } from './bitmap';
import {
  jobBaseKnown,
  jobCache,
  jobCachePages,
  jobDirty,
  jobFirstPage,
  jobFrame,
  jobHashes,
  jobKeeping,
  jobPageCount,
  jobPages,
  jobPatch,
  jobRegion,
  jobSecret,
  jobShadow,
  jobShadowed,
  jobZeroHash,
  jobZeroPage,
} from './capture-job';
import { capturePatch, noteReplaced } from './capture-patch';
import { copyPage } from './copy';
import { countZeroBytes, isFillPage } from './fill';
import { addPage, countSkipped, framePayloadEnd, isFrameFull } from './frame';
import { pageBytes } from './page';
import {
  deltaLengthBytes,
  fillBytes,
  kindDelta,
  kindFill,
  kindPatch,
  kindRaw,
  kindZero,
  maxDeltaBytes,
} from './run';
import { pagesEqual } from './scan';
import { xbzrleEncode } from './xbzrle';
import { xxh3Page } from './xxh3';
import { isZeroPage, isZeroPageBeside } from './zero';

/** A page first written is sent as a delta against zeros only if this many of its bytes are zero: else the try costs more than it saves. */
const worthwhileZeros: u32 = 1024;

/** Zero pages in a row, behind one with a shadow, whose shadow is read along to no end but speed: behind more of them it is cheaper to begin anew. */
const pagesInStep: u32 = 4;

/** Where the last captured bytes of a page are kept: in the shadow, in the base cache, or nowhere (0). */
function keptPage(job: usize, index: u32): usize {
  const shadow = load<usize>(job, jobShadow);
  if (shadow !== 0) {
    const isShadowed = bitmapTest(load<usize>(job, jobShadowed), index) !== 0;
    return isShadowed ? shadow + <usize>index * pageBytes : 0;
  }
  const cache = load<usize>(job, jobCache);
  if (cache === 0) return 0;
  const tag = baseTag(load<u32>(job, jobRegion), load<u32>(job, jobFirstPage) + index);
  return findBase(cache, load<usize>(job, jobCachePages), tag);
}

/** What `keeping` says of pages: see `keepShadow` in src/core/kernel-exports.ts. */
const keepAgain: u32 = 1;
const keepAll: u32 = 2;

/**
 * A place for the bytes of a page that is kept nowhere: in the shadow where it keeps such pages, else in the base cache if it is sent `again`: what
 * changed twice will change a third time. 0 if there is none.
 */
function claimedPage(job: usize, index: u32, again: bool): usize {
  const shadow = load<usize>(job, jobShadow);
  if (shadow !== 0) {
    if (load<u32>(job, jobKeeping) < (again ? keepAgain : keepAll)) return 0;
    bitmapSet(load<usize>(job, jobShadowed), index);
    return shadow + <usize>index * pageBytes;
  }
  if (!again) return 0;
  const cache = load<usize>(job, jobCache);
  if (cache === 0) return 0;
  const tag = baseTag(load<u32>(job, jobRegion), load<u32>(job, jobFirstPage) + index);
  return claimBase(cache, load<usize>(job, jobCachePages), tag);
}

/** Encodes the page against `base` as the frame's next delta payload. Returns its bytes; 0 if raw is no longer. */
function encodeDelta(base: usize, page: usize, out: usize): u32 {
  const bytes = xbzrleEncode(base, page, pageBytes, out + deltaLengthBytes, maxDeltaBytes);
  if (bytes <= 0) return 0;
  store<u16>(out, <u16>bytes);
  return <u32>(deltaLengthBytes + <usize>bytes);
}

/** Takes in a page whose base is not known, or which is not what a hash that says zero, or the shadow, has of it. */
function capturePage(job: usize, index: u32): void {
  const frame = load<usize>(job, jobFrame);
  const page = load<usize>(job, jobPages) + <usize>index * pageBytes;
  const region = load<u32>(job, jobRegion);
  const number = load<u32>(job, jobFirstPage) + index;
  const hashAt = load<usize>(job, jobHashes) + ((<usize>index) << 3);
  const before = load<u64>(hashAt);
  const wasZero = before === load<u64>(job, jobZeroHash);
  const baseKnown = load<usize>(job, jobBaseKnown);
  const isKnown = bitmapTest(baseKnown, index) !== 0;
  const isFill = isFillPage(page);

  if (isFill && load<u64>(page) === 0) {
    // What is kept of it need not be zeroed: a hash that says zero is believed before the shadow or the cache is.
    store<u64>(hashAt, load<u64>(job, jobZeroHash));
    bitmapSet(baseKnown, index);
    addPage(frame, region, number, kindZero, 0);
    return;
  }

  const out = framePayloadEnd(frame);
  let kept = keptPage(job, index);
  const base = wasZero ? load<usize>(job, jobZeroPage) : kept;
  const takesPatches = load<usize>(job, jobPatch) !== 0;
  // Patches copy from the shadow; without one there are none.
  const isPatchable = takesPatches && load<usize>(job, jobShadow) !== 0;
  let delta: u32 = 0;
  let patch: u32 = 0;
  let hash: u64;
  if (isKnown && base !== 0) {
    // With a shadow it was compared before.
    if (!wasZero && load<usize>(job, jobShadow) === 0 && pagesEqual(base, page)) {
      countSkipped(frame);
      return;
    }
    if (!isFill && (!wasZero || countZeroBytes(page) >= worthwhileZeros)) {
      delta = encodeDelta(base, page, out);
    }
    if (isPatchable && !isFill) {
      if (kept === 0) kept = claimedPage(job, index, false);
      if (kept !== 0) patch = capturePatch(job, kept, page, wasZero, delta, out);
    }
    hash = xxh3Page(page, load<usize>(job, jobSecret));
  } else {
    hash = xxh3Page(page, load<usize>(job, jobSecret));
    if (isKnown && hash === before) {
      countSkipped(frame);
      return;
    }
  }

  let kind = kindRaw;
  let bytes = <u32>pageBytes;
  if (isFill) {
    store<u64>(out, load<u64>(page));
    kind = kindFill;
    bytes = <u32>fillBytes;
  } else if (patch !== 0) {
    kind = kindPatch;
    bytes = patch;
  } else if (delta !== 0) {
    kind = kindDelta;
    bytes = delta;
  } else {
    copyPage(out, page);
  }
  addPage(frame, region, number, kind, bytes);
  store<u64>(hashAt, hash);
  bitmapSet(baseKnown, index);
  // A page that left zero is sent for the first time.
  if (kept === 0) kept = claimedPage(job, index, isKnown && !wasZero);
  if (takesPatches) {
    const home = isPatchable ? kept : 0;
    noteReplaced(job, index, base, home, page, wasZero, wasZero || !isKnown, kind, bytes);
  }
  if (kept !== 0) copyPage(kept, page);
}

/**
 * Captures the dirty pages of one window into the frame of `job`, clearing the bit of each. Returns the pages of the window consumed;
 * fewer than it has: the frame is full.
 */
export function capture(job: usize): u32 {
  const frame = load<usize>(job, jobFrame);
  const pageCount = load<u32>(job, jobPageCount);
  const pages = load<usize>(job, jobPages);
  const hashes = load<usize>(job, jobHashes);
  const shadow = load<usize>(job, jobShadow);
  const shadowed = shadow === 0 ? 0 : load<usize>(job, jobShadowed);
  const zeroHash = load<u64>(job, jobZeroHash);
  let zeroPages = pagesInStep;
  let wordAt = load<usize>(job, jobDirty);
  let knownAt = load<usize>(job, jobBaseKnown);
  for (let first: u32 = 0; first < pageCount; first += 64, wordAt += 8, knownAt += 8) {
    let word = load<u64>(wordAt);
    const known = load<u64>(knownAt);
    const kept = shadowed === 0 ? 0 : load<u64>(shadowed + (first >> 3));
    while (word !== 0) {
      const index = first + <u32>ctz(word);
      if (index >= pageCount) break;
      // Most pages a scan names are as they were: they are told before anything else is looked up.
      const page = pages + <usize>index * pageBytes;
      const isKnown = (known & word & -word) !== 0;
      let isSame: bool = false;
      if (isKnown) {
        const before = shadow + <usize>index * pageBytes;
        const isKept = (kept & word & -word) !== 0;
        if (load<u64>(hashes + ((<usize>index) << 3)) === zeroHash) {
          isSame = zeroPages++ < pagesInStep ? isZeroPageBeside(page, before) : isZeroPage(page);
        } else if (isKept) {
          zeroPages = 0;
          isSame = pagesEqual(before, page);
        } else {
          zeroPages = pagesInStep;
        }
      }
      if (isSame) {
        countSkipped(frame);
      } else if (isFrameFull(frame)) {
        store<u64>(wordAt, word);
        return index;
      } else {
        capturePage(job, index);
      }
      word &= word - 1;
    }
    store<u64>(wordAt, word);
  }
  return pageCount;
}
