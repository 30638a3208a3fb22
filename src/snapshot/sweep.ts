import { join } from 'node:path';
import type { StoreContext } from './context.js';
import { PRINTS_FOLDER, printsName, printsSuffix } from './fingerprint-file.js';
import { temporarySuffix } from './place-file.js';
import { ifThere } from './store-error.js';

/** Removes what processes that ended `graceMs` ago or longer left under names that mean nothing. */
export async function sweepTemporaries(
  { files, path }: StoreContext,
  graceMs: number,
): Promise<void> {
  for (const folder of ['', 'packs', 'tables', 'snapshots', PRINTS_FOLDER]) {
    for (const name of (await ifThere(() => files.list(join(path, folder)))) ?? []) {
      if (!/^[0-9a-f]{32}\.tmp$/.test(name) || !name.endsWith(temporarySuffix)) continue;
      const place = join(path, folder, name);
      const time = await ifThere(() => files.modifiedMs(place));
      if (time === undefined || Date.now() - time < graceMs) continue;
      await ifThere(() => files.unlink(place));
    }
  }
}

/** Removes the fingerprints of snapshots that are gone: all but those with counters in `kept`. */
export async function unlinkPrints(
  { files, path }: StoreContext,
  kept: ReadonlySet<number>,
): Promise<void> {
  const folder = join(path, PRINTS_FOLDER);
  const names = new Set([...kept].map(printsName));
  for (const name of (await ifThere(() => files.list(folder))) ?? []) {
    if (name.endsWith(printsSuffix) && !names.has(name)) {
      await ifThere(() => files.unlink(join(folder, name)));
    }
  }
}

/** Removes manifests by the names of their files, for good. */
export async function unlinkManifests(
  { files, path }: StoreContext,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  const folder = join(path, 'snapshots');
  for (const name of names) await ifThere(() => files.unlink(join(folder, name)));
  await files.syncFolder(folder);
}
