// Apply: builds the pages of checked runs and hashes them while they are in the first-level cache.
import { fillPage } from './fill';
import { pageBytes } from './page';
import { ringedDeltaBytes } from './patch';
import { pushPage } from './patch-ring';
import { deltaLengthBytes, fillBytes, kindDelta, kindFill, kindRaw } from './run';
import { xbzrleDecode } from './xbzrle';
import { hashPages, xxh3Page } from './xxh3';

/** Fields of a run record, `applyRun` in src/core/kernel-exports.ts. */
const runCount: usize = 8;
const runKind: usize = 12;
const runPayload: usize = 16;
const runTarget: usize = 20;
const runHashes: usize = 24;
const runRecordBytes: usize = 28;

function applyFill(payload: usize, target: usize, count: u32, hashes: usize, secret: usize): usize {
  for (; count !== 0; count--) {
    fillPage(target, load<u64>(payload));
    store<u64>(hashes, xxh3Page(target, secret));
    payload += fillBytes;
    target += pageBytes;
    hashes += 8;
  }
  return payload;
}

function applyDelta(
  payload: usize,
  target: usize,
  count: u32,
  hashes: usize,
  secret: usize,
  patchState: usize,
): usize {
  for (; count !== 0; count--) {
    const bytes: usize = load<u16>(payload);
    if (patchState !== 0 && <u32>bytes > ringedDeltaBytes) pushPage(patchState, target);
    xbzrleDecode(payload + deltaLengthBytes, bytes, target, pageBytes);
    store<u64>(hashes, xxh3Page(target, secret));
    payload += deltaLengthBytes + bytes;
    target += pageBytes;
    hashes += 8;
  }
  return payload;
}

/**
 * Carries out `runCount` runs that `applyCheck` found good: fills and deltas build their pages at `target`, raw pages are hashed where
 * they are, zero runs are left alone. Each page's XXH3-64 goes to `hashes`. A record's `payload` is moved behind what was consumed, so
 * that a run may be carried out in parts. What long deltas change goes to the ring of `patchState`, if that is not 0.
 */
export function apply(runs: usize, count: u32, secret: usize, patchState: usize): void {
  for (const end = runs + <usize>count * runRecordBytes; runs < end; runs += runRecordBytes) {
    const kind = load<u32>(runs, runKind);
    const pages = load<u32>(runs, runCount);
    const hashes = load<usize>(runs, runHashes);
    const target = load<usize>(runs, runTarget);
    let payload = load<usize>(runs, runPayload);
    if (kind === kindFill) {
      payload = applyFill(payload, target, pages, hashes, secret);
    } else if (kind === kindDelta) {
      payload = applyDelta(payload, target, pages, hashes, secret, patchState);
    } else if (kind === kindRaw) {
      hashPages(payload, pages, hashes, secret);
      payload += <usize>pages * pageBytes;
    }
    store<usize>(runs, payload, runPayload);
  }
}
