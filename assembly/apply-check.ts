// The check of a PAGES body before anything of it is carried out. Its sender is not trusted: every number is checked before it is used.
import { pageBytes } from './page';
import { patchCheck } from './patch-check';
import {
  countShift,
  deltaLengthBytes,
  fillBytes,
  kindDelta,
  kindFill,
  kindMask,
  kindPatch,
  kindRaw,
  kindZero,
  maxDeltaBytes,
  maxFramePages,
  regionChanged,
} from './run';
import { readVarint } from './varint';
import { xbzrleDecode } from './xbzrle';

const badTable: i32 = -1;
const outOfRange: i32 = -2;
const notAscending: i32 = -3;
const badPayload: i32 = -4;
const unknownKind: i32 = -5;
const badEncoding: i32 = -6;
const tooMany: i32 = -7;

/** Fields of a run record, `applyRun` in src/core/kernel-exports.ts; of a region record: u32 id, u32 pageCount. */
const runRegion: usize = 0;
const runFirstPage: usize = 4;
const runCount: usize = 8;
const runKind: usize = 12;
const runPayload: usize = 16;
const runRecordBytes: usize = 28;
const regionRecordBytes: usize = 8;

/** Where the payload of `count` deltas at `at` ends; 0 if it runs beyond `end`, 1 if one is malformed. */
function endOfDeltas(at: usize, end: usize, count: u32): usize {
  for (; count !== 0; count--) {
    if (end - at < deltaLengthBytes) return 0;
    const bytes: usize = load<u16>(at);
    at += deltaLengthBytes;
    if (bytes === 0 || bytes > maxDeltaBytes) return 1;
    if (end - at < bytes) return 0;
    if (xbzrleDecode(at, bytes, 0, pageBytes) < 0) return 1;
    at += bytes;
  }
  return at;
}

/** The same for patches of the pages from `first` on of a region of `regionPages`. */
function endOfPatches(
  at: usize,
  end: usize,
  count: u32,
  first: u32,
  regionPages: u32,
  ringBytes: u32,
): usize {
  for (; count !== 0; count--, first++) {
    if (end - at < deltaLengthBytes) return 0;
    const bytes: usize = load<u16>(at);
    at += deltaLengthBytes;
    if (bytes > maxDeltaBytes) return 1;
    if (end - at < bytes) return 0;
    const place = <i64>first * <i64>pageBytes;
    const regionBytes = <i64>regionPages * <i64>pageBytes;
    if (!patchCheck(at, bytes, place, regionBytes, <i64>ringBytes)) return 1;
    at += bytes;
  }
  return at;
}

/**
 * Checks the `bodyBytes` at `body`, whose first `tableBytes` are the run table, against `regionCount` region records in ascending order
 * of id, and lists the runs at `runs`. Writes nothing else. Without a ring (`ringBytes` 0) there are no patches. Returns the number of
 * runs, or one of the negative numbers above.
 */
export function applyCheck(
  body: usize,
  tableBytes: u32,
  bodyBytes: u32,
  regions: usize,
  regionCount: u32,
  runs: usize,
  maxRuns: u32,
  ringBytes: u32,
): i32 {
  if (tableBytes === 0 || tableBytes > bodyBytes) return badTable;
  const tableEnd = body + tableBytes;
  const bodyEnd = body + bodyBytes;
  let at = body;
  let payload = tableEnd;
  let pages: u32 = 0;
  let found: u32 = 0;
  let region: u32 = 0;
  let regionIndex: u32 = 0;
  let regionPages: u32 = 0;
  let end: u64 = 0;
  while (at < tableEnd) {
    const gapRead = readVarint(at, tableEnd);
    if (gapRead === 0) return badTable;
    const headRead = readVarint(<usize>(gapRead >> 32), tableEnd);
    if (headRead === 0) return badTable;
    at = <usize>(headRead >> 32);
    const head = <u32>headRead;
    const count = head >> countShift;
    const kind = head & kindMask;
    if (count === 0) return badTable;
    if (head & regionChanged) {
      const idRead = readVarint(at, tableEnd);
      if (idRead === 0) return badTable;
      at = <usize>(idRead >> 32);
      const id = <u32>idRead;
      if (found !== 0 && id <= region) return notAscending;
      region = id;
      while (
        regionIndex < regionCount &&
        load<u32>(regions + <usize>regionIndex * regionRecordBytes) < id
      ) {
        regionIndex++;
      }
      const record = regions + <usize>regionIndex * regionRecordBytes;
      if (regionIndex === regionCount || load<u32>(record) !== id) return outOfRange;
      regionPages = load<u32>(record, 4);
      end = 0;
    } else if (found === 0) {
      return badTable;
    }
    const first = end + (gapRead & 0xffffffff);
    end = first + <u64>count;
    if (end > <u64>regionPages) return outOfRange;
    // `pages` stays below its bound, `count` below 2^28: no overflow.
    pages += count;
    if (pages > maxFramePages || found === maxRuns) return tooMany;

    const record = runs + <usize>found * runRecordBytes;
    store<u32>(record, regionIndex, runRegion);
    store<u32>(record, <u32>first, runFirstPage);
    store<u32>(record, count, runCount);
    store<u32>(record, kind, runKind);
    store<usize>(record, payload, runPayload);
    found++;

    if (kind === kindDelta || (kind === kindPatch && ringBytes !== 0)) {
      const encodedEnd =
        kind === kindDelta
          ? endOfDeltas(payload, bodyEnd, count)
          : endOfPatches(payload, bodyEnd, count, <u32>first, regionPages, ringBytes);
      if (encodedEnd === 0) return badPayload;
      if (encodedEnd === 1) return badEncoding;
      payload = encodedEnd;
    } else {
      let bytesEach: usize = 0;
      if (kind === kindFill) bytesEach = fillBytes;
      else if (kind === kindRaw) bytesEach = pageBytes;
      else if (kind !== kindZero) return unknownKind;
      const bytes = <usize>count * bytesEach;
      if (bodyEnd - payload < bytes) return badPayload;
      payload += bytes;
    }
  }
  return payload === bodyEnd ? <i32>found : badPayload;
}
