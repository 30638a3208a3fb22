import { FerryError } from '../../src/errors.js';
import { openStore, type SnapshotInfo, type Store } from '../../src/snapshot/index.js';
import type { SimulatedDisk } from './simulated-disk.js';
import { SimulatedFiles } from './simulated-files.js';
import {
  contentsOf,
  type Promised,
  passTime,
  pruneTo,
  storePath,
  takeSnapshot,
} from './store-history.js';
import { isEqual, readRegion } from './support.js';

/** A number that no history gets to. */
const later = 's9';

/** What was acknowledged is restored byte by byte, and all else is whole or absent. */
export async function checkPromises(disk: SimulatedDisk, promised: Promised): Promise<void> {
  passTime();
  await using store = await openAgain(new SimulatedFiles(disk), promised);
  await checkSnapshots(store, await store.snapshots(), promised);
}

/**
 * What holds of a store whatever happened to it: it opens, or can be created where that was not over; what was acknowledged is restored byte by byte; all else
 * is whole or absent; a new snapshot can be made; and what was left over does not stay for ever.
 */
export async function checkStore(
  disk: SimulatedDisk,
  promised: Promised,
  afterSuspension = false,
): Promise<void> {
  passTime();
  const files = new SimulatedFiles(disk);
  await using store = await openAgain(files, promised);
  const before = await store.snapshots();
  await checkSnapshots(store, before, promised);
  const { damaged, good } = await store.verify();
  if (damaged[0] !== undefined) throw damaged[0].error;
  assert(good.length === before.length, `${good.length} of ${before.length} are good`);
  if (afterSuspension) {
    // One woken late may have condemned what is needed: the next run takes that back.
    await pruneTo(store, ...before.map(({ manifest }) => manifest?.name ?? ''));
  }
  const added = await takeSnapshot(store, later, (await store.snapshots()).at(-1));
  assert(added.counter > promised.lastCounter, `counter ${added.counter} was given before`);

  const after = await store.snapshots();
  assert(after.length === before.length + 1, 'a new snapshot changed the others');
  const names = after.map(({ manifest }) => manifest?.name ?? '');
  await pruneTo(store, ...names);
  passTime();
  await pruneTo(store, ...names);
  const kept = await store.snapshots();
  assert(kept.length === after.length, 'prune removed what it was told to keep');
  await checkSnapshots(store, kept, promised);

  await pruneTo(store);
  passTime();
  await pruneTo(store);
  await store.close();
  await checkEmpty(files);
  assert(files.openFiles === 0, `${files.openFiles} files left open`);
}

async function openAgain(files: SimulatedFiles, { created }: Promised): Promise<Store> {
  try {
    return await openStore(storePath, { files });
  } catch (error) {
    if (created) throw error;
    assert(error instanceof FerryError, `no coded error: ${error}`);
    const folders = await files.list('/');
    if (!folders.includes('var')) await files.makeFolder('/var');
    return openStore(storePath, { files, create: true });
  }
}

export async function checkSnapshots(
  store: Store,
  all: readonly SnapshotInfo[],
  { snapshots }: Promised,
): Promise<void> {
  for (const [name, counter] of snapshots) {
    const info = all.find((one) => one.counter === counter);
    assert(info !== undefined, `snapshot ${name} is gone`);
    if (info.error !== undefined) throw info.error;
    assert(info.manifest?.name === name, `snapshot ${counter} is ${info.manifest?.name}`);
  }
  for (const info of all) {
    if (info.error !== undefined) throw info.error;
    await checkContents(store, info);
  }
}

async function checkContents(store: Store, info: SnapshotInfo): Promise<void> {
  const name = info.manifest?.name as string;
  await using reader = await store.read(info);
  for (const [region, wanted] of contentsOf(name).entries()) {
    const got = await readRegion(reader, region);
    assert(isEqual(got, wanted), `region ${region} of ${name} is not what was stored`);
  }
}

async function checkEmpty(files: SimulatedFiles): Promise<void> {
  const left: string[] = [];
  for (const name of await files.list(storePath)) {
    if (['packs', 'tables', 'snapshots', 'locks'].includes(name)) {
      for (const inside of await files.list(`${storePath}/${name}`)) left.push(`${name}/${inside}`);
    } else if (name !== 'store' && name !== 'condemned') left.push(name);
  }
  assert(left.length === 0, `left for ever: ${left.join(', ')}`);
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
