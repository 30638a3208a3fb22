// Builds the pages of a run of patches that `patchCheck` found good. The run's old pages stand in a window and become the new ones in
// order, so that whatever a patch copies from the run itself is as it has to be. What it copies from elsewhere in the region is left open
// and listed: a kernel does not reach the guest's memory.
import { copyLoosely, copyPage } from './copy';
import { pageBytes } from './page';
import {
  copiedShift,
  fromEarlier,
  fromElsewhere,
  fromLast,
  leastCopied,
  literalsShift,
  manyCopied,
  manyLiterals,
} from './patch';
import { pushPage, ringAddress, ringBytes } from './patch-ring';
import { patchRing } from './patch-state';
import { deltaLengthBytes } from './run';
import { xxh3Page } from './xxh3';

/** Fields of a run record, `applyRun` in src/core/kernel-exports.ts; of the job, `patchJob` there; of an open piece. */
const runFirstPage: usize = 4;
const runCount: usize = 8;
const runPayload: usize = 16;
const runTarget: usize = 20;
const runHashes: usize = 24;
const jobState: usize = 0;
const jobPage: usize = 4;
const jobPieces: usize = 8;
const jobDone: usize = 12;
const jobIsOpen: usize = 16;
const pieceTarget: usize = 0;
const pieceLength: usize = 4;
const pieceSource: usize = 8;
const pieceRecordBytes: usize = 16;

/** The run being built: its part of the region, and where that stands. */
let windowFrom: i64 = 0;
let windowTo: i64 = 0;
let window: usize = 0;
/** The ring, and where the next open piece is listed. */
let state: usize = 0;
let piece: usize = 0;

/** Where the varint at `at` ends, and its value; the patch was checked. */
let value: u32 = 0;
function readChecked(at: usize): usize {
  let byte = <u32>load<u8>(at);
  at += 1;
  value = byte & 127;
  for (let shift: u32 = 7; byte > 127; shift += 7) {
    byte = <u32>load<u8>(at);
    at += 1;
    value |= (byte & 127) << shift;
  }
  return at;
}

/** Copies `count` bytes that stand `distance` bytes before the ring's end. */
function copyFromRing(target: usize, distance: u32, count: usize): void {
  const source = ringAddress(state, distance);
  const untilEnd = load<usize>(state, patchRing) + <usize>ringBytes(state) - source;
  const first = min<usize>(count, untilEnd);
  copyLoosely(target, source, first);
  if (first < count) copyLoosely(target + first, load<usize>(state, patchRing), count - first);
}

/** Copies `count` bytes from byte `source` of the region: from the window, or by and by. */
function copyFromRegion(target: usize, source: i64, count: usize): void {
  while (count > 0) {
    const isInside = source >= windowFrom && source < windowTo;
    const border = isInside ? windowTo : source < windowFrom ? windowFrom : i64.MAX_VALUE;
    const length = <usize>min<i64>(<i64>count, border - source);
    if (isInside) {
      copyLoosely(target, window + <usize>(source - windowFrom), length);
    } else {
      store<usize>(piece, target, pieceTarget);
      store<u32>(piece, <u32>length, pieceLength);
      store<i64>(piece, source, pieceSource);
      piece += pieceRecordBytes;
    }
    target += length;
    source += length;
    count -= length;
  }
}

/** Builds at `page`, which has 16 bytes of slack, what the patch makes of the page at `old`, byte `place` of the region. */
function buildPage(patch: usize, bytes: usize, page: usize, old: usize, place: i64): void {
  const end = patch + bytes;
  let at: usize = 0;
  let last: i64 = 0;
  let earlier: i64 = 0;
  while (patch < end) {
    const token = <u32>load<u8>(patch);
    patch += 1;
    let literals: usize = (token >> literalsShift) & manyLiterals;
    if (<u32>literals === manyLiterals) {
      patch = readChecked(patch);
      literals += value;
    }
    copyLoosely(page + at, patch, literals);
    patch += literals;
    at += literals;
    const from = token & fromElsewhere;
    const copiedCode = token >> copiedShift;
    if (patch === end && from === 0 && copiedCode === 0 && literals > 0) break;
    let copied: usize = copiedCode + leastCopied;
    if (<u32>copied === manyCopied) {
      patch = readChecked(patch);
      copied += value;
    }
    let displacement: i64 = 0;
    if (from === fromLast) {
      displacement = last;
    } else if (from === fromEarlier) {
      displacement = earlier;
      earlier = last;
      last = displacement;
    } else if (from === fromElsewhere) {
      patch = readChecked(patch);
      displacement = last + <i64>(<i32>(value >> 1) ^ -(<i32>(value & 1)));
      earlier = last;
      last = displacement;
    }
    const source = place + <i64>at + displacement;
    if (source < 0) copyFromRing(page + at, <u32>-source, copied);
    else copyFromRegion(page + at, source, copied);
    at += copied;
  }
  copyLoosely(page + at, old + at, pageBytes - at);
}

/**
 * Goes on with the run of patches at `run` until all its pages are built (0), or until one needs bytes of the region from outside the
 * run: their number of pieces, listed for the host to put in place before it calls again. Each page built is hashed; what it replaces
 * goes to the ring.
 */
export function patchBuild(run: usize, job: usize, secret: usize): u32 {
  const count = load<u32>(run, runCount);
  const hashes = load<usize>(run, runHashes);
  const page = load<usize>(job, jobPage);
  const pieces = load<usize>(job, jobPieces);
  state = load<usize>(job, jobState);
  window = load<usize>(run, runTarget);
  windowFrom = <i64>load<u32>(run, runFirstPage) * <i64>pageBytes;
  windowTo = windowFrom + <i64>count * <i64>pageBytes;
  let payload = load<usize>(run, runPayload);
  let done = load<u32>(job, jobDone);
  let isOpen = load<u32>(job, jobIsOpen) !== 0;
  while (done < count) {
    const offset = <usize>done * pageBytes;
    const bytes: usize = load<u16>(payload);
    if (!isOpen) {
      piece = pieces;
      const patch = payload + deltaLengthBytes;
      buildPage(patch, bytes, page, window + offset, windowFrom + <i64>offset);
      if (piece !== pieces) {
        store<u32>(job, done, jobDone);
        store<u32>(job, 1, jobIsOpen);
        store<usize>(run, payload, runPayload);
        return <u32>((piece - pieces) / pieceRecordBytes);
      }
    }
    isOpen = false;
    pushPage(state, window + offset);
    copyPage(window + offset, page);
    store<u64>(hashes + ((<usize>done) << 3), xxh3Page(page, secret));
    payload += deltaLengthBytes + bytes;
    done++;
  }
  store<u32>(job, 0, jobDone);
  store<u32>(job, 0, jobIsOpen);
  store<usize>(run, payload, runPayload);
  return 0;
}
