import { afterEach, beforeEach, vi } from 'vitest';
import {
  openStore,
  type SnapshotInfo,
  STORE_PAGE_BYTES,
  type Store,
  type StoreFiles,
} from '../../src/snapshot/index.js';
import { PageIds } from '../../src/snapshot/page-id.js';
import type { History } from './power-cut.js';
import { FolderNode } from './simulated-disk.js';
import { makeBatch, makeImage, makePage, writeImage } from './support.js';

export const storePath = '/var/store';
/** Longer than a lock is waited for, and than what an ended process left is spared. */
const longMs = 2 * 3_600_000;

/** In each test of a file the date stands still, but for `passTime`. */
export function holdClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** What may be counted on. Replaced, never changed in place. */
export interface Promised {
  readonly created: boolean;
  /** Counters of the snapshots that were acknowledged and not asked to be removed, by name. */
  readonly snapshots: ReadonlyMap<string, number>;
  /** No new snapshot has a counter up to this. */
  readonly lastCounter: number;
}

export const nothingPromised: Promised = { created: false, snapshots: new Map(), lastCounter: 0 };

export function withSnapshot(promised: Promised, name: string, counter: number): Promised {
  return {
    created: true,
    snapshots: new Map([...promised.snapshots, [name, counter]]),
    lastCounter: Math.max(promised.lastCounter, counter),
  };
}

export function without(promised: Promised, ...names: readonly string[]): Promised {
  const snapshots = [...promised.snapshots].filter(([name]) => !names.includes(name));
  return { ...promised, snapshots: new Map(snapshots) };
}

/** Two regions. */
export type Contents = readonly [memory: Uint8Array, disk: Uint8Array];

const contents = new Map<string, Contents>();

/** What the snapshot `name` holds: each differs from the last one by pages changed a little, replaced, moved, and zeroed. */
export function contentsOf(name: string): Contents {
  const known = contents.get(name);
  if (known !== undefined) return known;
  const made = makeContents(Number(name.slice(1)));
  contents.set(name, made);
  return made;
}

function makeContents(number: number): Contents {
  if (number <= 1) {
    const seeds = Array.from({ length: 20 }, (_, page) => (page % 7 === 6 ? 0 : page + 1));
    // Some of what the disk holds is in memory, too.
    return [makeImage(seeds), makeImage([101, 102, 0, 3, 103, 4]).subarray(0, 22_000)];
  }
  const [before, disk] = contentsOf(`s${number - 1}`);
  const memory = before.slice();
  const at = (page: number) => page * STORE_PAGE_BYTES;
  memory.fill(number, at(3) + 100, at(3) + 110);
  memory.fill(number, at(number) + 7, at(number) + 9);
  memory.set(makePage(1000 * number), at(8));
  memory.set(memory.subarray(at(1), at(2)), at(10 + (number % 3)));
  memory.fill(0, at(13), at(14));
  memory.set(makePage(1000 * number + 1), at(13 + (number % 2)));
  const grown = new Uint8Array(disk.length + 3000);
  grown.set(disk);
  grown.set(makePage(1000 * number + 2).subarray(0, 3000), disk.length);
  return [memory, grown];
}

/** Stores what `contentsOf(name)` says. */
export async function takeSnapshot(
  store: Store,
  name: string,
  parent?: SnapshotInfo,
): Promise<SnapshotInfo> {
  const [memory, disk] = contentsOf(name);
  await using writer = await store.begin({
    name,
    ...(parent === undefined ? {} : { parent }),
    regions: [
      { name: 'memory', role: 'memory', byteLength: memory.length },
      { name: 'disk', role: 'file', byteLength: disk.length },
    ],
  });
  const before = parent?.manifest?.name;
  if (before === undefined) await writeImage(writer, 0, memory, 8);
  else await writeChanged(writer, contentsOf(before)[0], memory);
  await writeImage(writer, 1, disk);
  return writer.publish();
}

/** As a tracker has it: the changed pages are known. */
async function writeChanged(
  writer: Awaited<ReturnType<Store['begin']>>,
  before: Uint8Array,
  after: Uint8Array,
): Promise<void> {
  const ids = new PageIds(writer.idPrefix);
  const pageCount = after.length / STORE_PAGE_BYTES;
  await writer.keep(0, 0, pageCount);
  for (let page = 0; page < pageCount; page++) {
    const from = page * STORE_PAGE_BYTES;
    const bytes = after.subarray(from, from + STORE_PAGE_BYTES);
    if (Buffer.compare(bytes, before.subarray(from, from + STORE_PAGE_BYTES)) === 0) continue;
    if (bytes.some((byte) => byte !== 0)) await writer.write(makeBatch(ids, 0, [page], after));
    else await writer.clear(0, page, 1);
  }
}

/** What a new disk has before there is a store. */
export async function makeMountPoint(files: StoreFiles): Promise<void> {
  await files.makeFolder('/var');
  await files.syncFolder('/');
}

/** Later, so that locks that nobody holds are stale, and what nobody needs may be deleted. */
export function passTime(): void {
  vi.setSystemTime(Date.now() + longMs);
}

/** Prunes to the snapshots of these names; what nobody needs is deleted by the next run. */
export function pruneTo(store: Store, ...names: readonly string[]): ReturnType<Store['prune']> {
  return store.prune({
    keep: (all) =>
      all
        .filter(({ manifest }) => names.includes(manifest?.name ?? ''))
        .map(({ counter }) => counter),
    graceMs: 0,
  });
}

/** A store is created, gets three snapshots, is pruned twice, twice more after another snapshot, and gets one more. */
export const storeHistory: History<Promised> = async ({ disk, files, promise: noted }) => {
  await makeMountPoint(files);
  let promised = nothingPromised;
  const promise = (next: Promised) => {
    // Locks are never synced: without this what may be left of all of them would be most of what is tried.
    const locks = disk.find(`${storePath}/locks`);
    if (locks instanceof FolderNode) disk.writeBack(locks);
    noted(next);
  };
  const take = async (store: Store, name: string, parent?: SnapshotInfo) => {
    const info = await takeSnapshot(store, name, parent);
    promised = withSnapshot(promised, name, info.counter);
    promise(promised);
    return info;
  };
  const prune = async (store: Store, remove: readonly string[], ...keep: readonly string[]) => {
    passTime();
    promised = without(promised, ...remove);
    promise(promised);
    await pruneTo(store, ...keep);
  };
  {
    await using store = await openStore(storePath, { files, create: true });
    promised = { ...promised, created: true };
    promise(promised);
    const first = await take(store, 's1');
    const second = await take(store, 's2', first);
    await take(store, 's3', second);
    await prune(store, ['s1'], 's2', 's3');
    await prune(store, [], 's2', 's3');
  }
  await using store = await openStore(storePath, { files });
  await take(store, 's4', await store.find('s3'));
  await prune(store, ['s2', 's4'], 's3');
  await prune(store, [], 's3');
  await take(store, 's5', await store.find('s3'));
};
