import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import { offeredRegion, stateRegionName } from './guest-regions.js';
import { jsonField } from './json-field.js';
import type { Manifest, SnapshotInfo, SnapshotReader, Store } from './types.js';

const windowPages = 256;
const windowBytes = windowPages * PAGE_BYTES;
const defaultMaxStateBytes = 2 ** 20;

export interface RestoreGuestOptions {
  /** False: it stays as it was saved until its `resume` is called. Default true. */
  readonly start?: boolean;
}

/**
 * Fills a guest that was just made from a snapshot, proven page by page, and lets it go on: a program is told its new generation before its first call.
 * ERR_INCOMPATIBLE if it is another program than was stored; ERR_STORE_CORRUPT; ERR_GUEST. What it was before is gone then, and it does not run.
 */
export async function restoreGuest(
  store: Store,
  snapshot: SnapshotInfo,
  guest: Guest,
  { start = true }: RestoreGuestOptions = {},
): Promise<void> {
  const reader = await store.read(snapshot);
  try {
    checkIdentity(reader.manifest, guest);
    const offered = reader.manifest.regions.map(offeredRegion);
    await guest.adopt?.(offered.filter((region) => region !== undefined));
    for (const [index, offer] of offered.entries()) {
      if (offer === undefined) continue;
      const region = guest.regions.find(({ id }) => id === offer.id);
      if (region === undefined) {
        throw new FerryError('ERR_INCOMPATIBLE', `the guest has no region ${offer.id} here`);
      }
      if (region.byteLength < offer.byteLength) await region.grow(offer.byteLength);
      await fill(reader, index, region, offer.byteLength);
    }
    await guest.loadState(await readState(reader, guest.maxStateBytes ?? defaultMaxStateBytes));
    await guest.acquire?.();
    if (start) await guest.resume();
  } catch (error) {
    await guest.discard?.();
    throw asFerryError(error, 'ERR_GUEST');
  } finally {
    await reader[Symbol.asyncDispose]();
  }
}

/** Makes a running copy of the snapshot of each guest; each is told a generation of its own. Those that were started run on where a later one fails. */
export async function forkGuests(
  store: Store,
  snapshot: SnapshotInfo,
  guests: readonly Guest[],
  options: RestoreGuestOptions = {},
): Promise<void> {
  for (const guest of guests) await restoreGuest(store, snapshot, guest, options);
}

function checkIdentity({ guest: stored, name }: Manifest, guest: Guest): void {
  const { kind, version, features } = guest.describe();
  const known = new Set(features);
  const wanted = jsonField(stored, 'features');
  const fits =
    jsonField(stored, 'kind') === kind &&
    jsonField(stored, 'version') === version &&
    Array.isArray(wanted) &&
    wanted.every((feature) => typeof feature === 'string' && known.has(feature));
  if (!fits) {
    throw new FerryError('ERR_INCOMPATIBLE', `${name} is not a snapshot of this ${kind}`);
  }
}

/** Writes the pages of a region; what is zero in the snapshot too, unless nothing was ever written here. */
async function fill(
  reader: SnapshotReader,
  index: number,
  region: Region,
  byteLength: number,
): Promise<void> {
  const pages = pageCountOf(byteLength);
  const window = new Uint8Array(windowBytes);
  for (let first = 0; first < pages; first += windowPages) {
    const count = Math.min(windowPages, pages - first);
    const there = await reader.readPages(index, first, count, window);
    const end = Math.min(count * PAGE_BYTES, byteLength - first * PAGE_BYTES);
    if (region.fresh === true && there.every((has) => has === 0)) continue;
    await region.write(first * PAGE_BYTES, window.subarray(0, end));
  }
}

async function readState(reader: SnapshotReader, maxBytes: number): Promise<Uint8Array> {
  const { regions } = reader.manifest;
  const index = regions.findIndex(({ name, role }) => role === 'state' && name === stateRegionName);
  const byteLength = regions[index]?.byteLength;
  if (byteLength === undefined) {
    throw new FerryError('ERR_INCOMPATIBLE', 'it is no snapshot of a guest');
  }
  if (byteLength > maxBytes) {
    throw new FerryError('ERR_STATE_TOO_LARGE', `a state of ${byteLength} bytes`);
  }
  const pages = pageCountOf(byteLength);
  const state = new Uint8Array(pages * PAGE_BYTES);
  if (pages > 0) await reader.readPages(index, 0, pages, state);
  return state.subarray(0, byteLength);
}
