// A PAGES body under construction: the payload grows in its final place, the run table in a room in front of it. See `frameState` in
// src/core/kernel-exports.ts for the fields.
import { pageBytes } from './page';
import { countShift, deltaLengthBytes, kindMask, regionChanged } from './run';
import { varintBytes, writeVarint } from './varint';

const payloadStart: usize = 0;
const payloadLimit: usize = 4;
const tableStart: usize = 8;
const tableLimit: usize = 12;
const maxPages: usize = 16;
const payloadEnd: usize = 20;
const tableEnd: usize = 24;
const runs: usize = 28;
const pages: usize = 32;
const openCount: usize = 36;
const openKind: usize = 40;
const openRegion: usize = 44;
const openFirst: usize = 48;
const lastRegion: usize = 52;
const lastEnd: usize = 56;
const pagesByKind: usize = 60;
const bytesByKind: usize = 84;
const skipped: usize = 108;

/** A run is three varints: gap, count with kind, region. */
const runBytes: usize = 3 * varintBytes;

function increase(address: usize, by: u32): void {
  store<u32>(address, load<u32>(address) + by);
}

/** Whether a page more might not fit, whatever its kind: two runs may have to be closed for it. */
export function isFrameFull(frame: usize): bool {
  return (
    load<usize>(frame, payloadEnd) + deltaLengthBytes + pageBytes >
      load<usize>(frame, payloadLimit) ||
    load<usize>(frame, tableEnd) + 2 * runBytes > load<usize>(frame, tableLimit) ||
    load<u32>(frame, pages) >= load<u32>(frame, maxPages)
  );
}

/** Where the payload of the next page goes. */
export function framePayloadEnd(frame: usize): usize {
  return load<usize>(frame, payloadEnd);
}

export function countSkipped(frame: usize): void {
  increase(frame + skipped, 1);
}

function closeRun(frame: usize): void {
  const count = load<u32>(frame, openCount);
  if (count === 0) return;
  const region = load<u32>(frame, openRegion);
  const first = load<u32>(frame, openFirst);
  const changed = load<u32>(frame, runs) === 0 || region !== load<u32>(frame, lastRegion);
  const head = (count << countShift) | (load<u32>(frame, openKind) & kindMask);
  let at = load<usize>(frame, tableEnd);
  if (changed) {
    at = writeVarint(at, first);
    at = writeVarint(at, head | regionChanged);
    at = writeVarint(at, region);
  } else {
    at = writeVarint(at, first - load<u32>(frame, lastEnd));
    at = writeVarint(at, head);
  }
  store<usize>(frame, at, tableEnd);
  store<u32>(frame, region, lastRegion);
  store<u32>(frame, first + count, lastEnd);
  store<u32>(frame, 0, openCount);
  increase(frame + runs, 1);
}

/** Takes in one page whose payload, `bytes` of it, stands at `framePayloadEnd`. It lies behind all pages taken so far. */
export function addPage(frame: usize, region: u32, page: u32, kind: u32, bytes: u32): void {
  const count = load<u32>(frame, openCount);
  const continues =
    count !== 0 &&
    load<u32>(frame, openKind) === kind &&
    load<u32>(frame, openFirst) + count === page &&
    load<u32>(frame, openRegion) === region;
  if (!continues) {
    closeRun(frame);
    store<u32>(frame, kind, openKind);
    store<u32>(frame, region, openRegion);
    store<u32>(frame, page, openFirst);
  }
  increase(frame + openCount, 1);
  increase(frame + pages, 1);
  increase(frame + payloadEnd, bytes);
  increase(frame + pagesByKind + ((<usize>kind) << 2), 1);
  increase(frame + bytesByKind + ((<usize>kind) << 2), bytes);
}

/** Closes the open run and moves the table in front of the payload. Returns the address of the table (= body); 0: the frame is empty. */
export function captureSeal(frame: usize): usize {
  closeRun(frame);
  if (load<u32>(frame, runs) === 0) return 0;
  const start = load<usize>(frame, tableStart);
  const bytes = load<usize>(frame, tableEnd) - start;
  const body = load<usize>(frame, payloadStart) - bytes;
  memory.copy(body, start, bytes);
  return body;
}
