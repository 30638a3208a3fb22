import { join } from 'node:path';
import { bundleDestination } from '../bundle/bundle-destination.js';
import { bundleKind } from '../bundle/bundle-guest.js';
import { splitNames } from '../bundle/offered-bundle.js';
import { FerryError } from '../errors.js';
import { fileDestination } from '../guests/file-destination.js';
import { pathInFolder } from '../guests/file-name.js';
import type { Guest, GuestIdentity } from '../guests/guest.js';
import { ArrivalStage } from './arrival-stage.js';
import { ArrivingFiles } from './arriving-files.js';
import { ArrivingGuest, type ArrivingRegion } from './arriving-guest.js';
import { OlderSnapshot, type OnDamage } from './older-snapshot.js';
import type { SnapshotInfo, Store } from './types.js';

/** What a source offers, as `listen` tells it. */
export interface OfferedSnapshot extends GuestIdentity {
  readonly session: string;
  readonly regions: readonly ArrivingRegion[];
}

export interface StoreDestinationOptions {
  /** Of the snapshot. Default: the file's, the bundle's, or the guest's kind. */
  readonly name?: string;
  /**
   * Where what arrives is until it is stored, in plain. Default: `arriving` in the store's folder; an encrypted store has none.
   */
  readonly stage?: string;
  /** Largest file or region, bytes. Default 64 GiB. */
  readonly maxImage?: number;
  /** Longest state of a guest in bytes. Default 1 MiB. */
  readonly maxStateBytes?: number;
  /** How long what arrived of files that did not complete is kept, milliseconds; absent: not at all. */
  readonly keepMs?: number;
  /** Files may be longer than the disk has room for. Default false; regions of guests always may. */
  readonly sparse?: boolean;
  /** Told why pages of the snapshot before cannot be had any more: they are sent. */
  readonly onDamage?: OnDamage;
}

/** What arrives to be stored. */
export interface StoreDestination extends Guest {
  /** What was made of it; undefined until then, and for a dry run. */
  readonly snapshot: SnapshotInfo | undefined;
  /** It ended without success, and what arrived is still there. */
  readonly isKept: boolean;
  /** Removes what arrived, unless it is to be kept; a snapshot that was made of it stays. Idempotent. */
  discard(): Promise<void>;
  /** Removes what was kept so long ago, if nobody receives it again. */
  sweep?(keptMs: number): Promise<void>;
}

const MiB = 2 ** 20;
const defaultMaxImage = 2 ** 36;

/**
 * The store as a destination: a file, a bundle or a guest of whatever kind arrives, and when all of it was verified and COMMIT came it becomes a snapshot, durable before the source
 * hears that it is there. What the newest snapshot of that name has is not sent again. For `accept` of `listen`. ERR_OUT_OF_RANGE for a name that cannot be, ERR_UNSUPPORTED without a
 * `stage` for an encrypted store, ERR_BUSY while the same arrives already.
 */
export async function storeDestination(
  store: Store,
  offer: OfferedSnapshot,
  options: StoreDestinationOptions = {},
): Promise<StoreDestination> {
  const name = options.name ?? nameOf(offer);
  const stage = await openStage(store, name, options.stage);
  let older: OlderSnapshot | undefined;
  try {
    older = await newestOf(store, name, options.onDamage);
    const parts = { ...options, store, name, stage, ...(older === undefined ? {} : { older }) };
    if (offer.kind === bundleKind) return await arrivingBundle(offer, parts);
    if (offer.kind === 'file') return await arrivingFile(offer, parts);
    return arrivingGuest(offer, parts);
  } catch (error) {
    await older?.close();
    await stage.close(options.keepMs !== undefined);
    throw error;
  }
}

/**
 * A guest of whatever kind that arrives epoch by epoch, to be stored time and again with `checkpoint`. Fails as `storeDestination` does.
 */
export async function followedGuest(
  store: Store,
  identity: GuestIdentity,
  options: Pick<StoreDestinationOptions, 'stage' | 'maxImage' | 'maxStateBytes'> & {
    readonly name: string;
  },
): Promise<ArrivingGuest> {
  const stage = await openStage(store, options.name, options.stage);
  return arrivingGuest(identity, { ...options, store, stage });
}

async function openStage(
  store: Store,
  name: string,
  given: string | undefined,
): Promise<ArrivalStage> {
  const place = given ?? (store.encrypted ? undefined : join(store.path, 'arriving'));
  if (place === undefined) {
    throw new FerryError('ERR_UNSUPPORTED', 'an encrypted store needs a stage outside of it');
  }
  pathInFolder('.', name);
  return ArrivalStage.open(place, name);
}

interface Parts extends Omit<StoreDestinationOptions, 'stage'> {
  readonly store: Store;
  readonly name: string;
  readonly stage: ArrivalStage;
  readonly older?: OlderSnapshot;
}

async function arrivingFile(offer: OfferedSnapshot, parts: Parts): Promise<ArrivingFiles> {
  const { stage, older, keepMs, sparse, maxImage = defaultMaxImage } = parts;
  const [region, ...others] = offer.regions;
  if (region === undefined || others.length > 0) {
    throw new FerryError('ERR_INCOMPATIBLE', `a file of ${offer.regions.length} regions`);
  }
  const { id, name, byteLength, maxByteLength } = region;
  const path = pathInFolder(stage.folder, name);
  const base = older?.ofFile(name);
  const file = await fileDestination(path, {
    ...{ id, name, byteLength, maxByteLength: Math.min(maxByteLength, maxImage) },
    ...{ keepPartial: keepMs !== undefined, reuseMs: keepMs ?? Number.POSITIVE_INFINITY },
    ...(base === undefined ? {} : { base }),
    sparse: sparse === true,
  });
  return new ArrivingFiles(file, { ...parts, path });
}

async function arrivingBundle(offer: OfferedSnapshot, parts: Parts): Promise<ArrivingFiles> {
  const { stage, older, keepMs, sparse, maxImage = defaultMaxImage } = parts;
  const bundle = await bundleDestination(offer, {
    ...{ outDir: stage.folder, maxImage, replace: true },
    ...(keepMs === undefined ? {} : { keepMs }),
    ...(older === undefined ? {} : { baseOf: async (...of) => older.ofBundle(...of) }),
    sparse: sparse === true,
  });
  return new ArrivingFiles(bundle, { ...parts, path: bundle.place });
}

function arrivingGuest(offer: GuestIdentity, parts: Parts): ArrivingGuest {
  const { maxImage: maxRegionBytes = defaultMaxImage, maxStateBytes = MiB } = parts;
  const { kind, version, features } = offer;
  const identity = { kind, version, features };
  return new ArrivingGuest({ ...parts, identity, maxStateBytes, maxRegionBytes });
}

async function newestOf(
  store: Store,
  name: string,
  onDamage: OnDamage | undefined,
): Promise<OlderSnapshot | undefined> {
  const newest = [...(await store.snapshots())].reverse();
  const found = newest.find(({ manifest }) => manifest?.name === name);
  return found === undefined ? undefined : OlderSnapshot.open(store, found, onDamage);
}

function nameOf(offer: OfferedSnapshot): string {
  if (offer.kind === bundleKind) return splitNames(offer).name;
  return offer.kind === 'file' ? (offer.regions[0]?.name ?? '') : offer.kind;
}
