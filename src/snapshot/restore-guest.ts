import { asFerryError, FerryError } from '../errors.js';
import { fitGuest } from '../guests/fit-guest.js';
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
    const { identity, regions, indexes } = readOffer(reader.manifest);
    await guest.adopt?.(regions);
    await fitGuest(guest, { identity, regions });
    for (const region of guest.regions) await fill(reader, indexes.get(region.id) ?? -1, region);
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

/** What the snapshot is a copy of, and where each region stands in it by its id. ERR_INCOMPATIBLE if it is no guest's. */
function readOffer({ guest, regions: stored, name }: Manifest) {
  const [kind, version] = [jsonField(guest, 'kind'), jsonField(guest, 'version')];
  const features = jsonField(guest, 'features');
  const isText = (value: unknown): value is string => typeof value === 'string';
  const offered = stored.map(offeredRegion);
  const regions = offered.filter((region) => region !== undefined);
  const indexes = new Map(offered.map((region, index) => [region?.id, index]));
  if (!isText(kind) || !isText(version) || !Array.isArray(features) || !features.every(isText)) {
    throw new FerryError('ERR_INCOMPATIBLE', `${name} is no snapshot of a guest`);
  }
  return { identity: { kind, version, features }, regions, indexes };
}

/** Writes the pages of a region; what is zero in the snapshot too, unless nothing was ever written here. */
async function fill(reader: SnapshotReader, index: number, region: Region): Promise<void> {
  const { byteLength } = region;
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
