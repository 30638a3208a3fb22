import { lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FerryError } from '../errors.js';
import { syncFolder } from '../guests/durable-file.js';
import { lockPlace } from '../guests/place-lock.js';
import { kindAt, olderOf, stagingOf } from './paths.js';

/** Makes the folder a bundle arrives in, private to this user, or goes on with one that was left. A link in its place is removed, never followed. */
export async function openStaging(place: string): Promise<string> {
  const staging = stagingOf(place);
  if ((await kindAt(staging)) === 'folder') {
    const { uid, mode } = await lstat(staging);
    if (uid === process.getuid?.() && (mode & 0o077) === 0) return staging;
  }
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { mode: 0o700 });
  return staging;
}

/** Makes the folders that `path` lies in, below `staging`; what is in their place and no folder goes. */
export async function makeFolders(staging: string, path: string): Promise<void> {
  let at = staging;
  for (const part of path.split('/').slice(0, -1)) {
    at = join(at, part);
    const kind = await kindAt(at);
    if (kind === 'folder') continue;
    if (kind !== undefined) await rm(at);
    await mkdir(at, { mode: 0o700 });
  }
}

/** Removes what is none of `paths` below `folder`: what earlier tries left. Folders that stay are synced. */
export async function removeStrays(
  folder: string,
  paths: ReadonlySet<string>,
  prefix = '',
): Promise<void> {
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    const path = `${prefix}${entry.name}`;
    const isWanted = entry.isDirectory()
      ? [...paths].some((each) => each.startsWith(`${path}/`))
      : paths.has(path);
    if (!isWanted) await rm(join(folder, path), { recursive: true });
    else if (entry.isDirectory()) await removeStrays(folder, paths, `${path}/`);
  }
  await syncFolder(join(folder, prefix));
}

/** A crash between the two renames of a replacement left the older bundle aside: it is put back. ERR_IO where both are there: one has to be verified first. */
export async function recover(place: string): Promise<void> {
  const older = olderOf(place);
  if ((await kindAt(older)) === undefined) return;
  if ((await kindAt(place)) !== undefined) {
    const what = `${place} replaced ${older} when its receiver ended: say bundles --verify ${basename(place)}`;
    throw new FerryError('ERR_IO', what);
  }
  await rename(older, place);
  await syncFolder(dirname(place));
}

/** Puts `staging` in its place; what is there is aside then. Whether there was something. */
export async function swapIn(staging: string, place: string): Promise<boolean> {
  const older = olderOf(place);
  const replaces = (await kindAt(place)) !== undefined;
  if (replaces) await rename(place, older);
  try {
    await rename(staging, place);
  } catch (error) {
    if (replaces) await rename(older, place);
    throw error;
  }
  await syncFolder(dirname(place));
  return replaces;
}

/** Undoes `swapIn`. */
export async function swapOut(staging: string, place: string): Promise<void> {
  await rename(place, staging);
  if ((await kindAt(olderOf(place))) !== undefined) await rename(olderOf(place), place);
  await syncFolder(dirname(place));
}

/** Removes what was kept of a bundle that did not complete, unless it is in use or was written within `keptMs`. */
export async function sweepStaging(place: string, keptMs: number): Promise<void> {
  const { dev, ino } = await stat(dirname(place), { bigint: true });
  const lock = await lockPlace(dev, ino, basename(place));
  if (lock === undefined) return;
  try {
    const staging = stagingOf(place);
    if (Date.now() - (await newestIn(staging)) >= keptMs)
      await rm(staging, { recursive: true, force: true });
  } finally {
    await lock.release();
  }
}

async function newestIn(folder: string): Promise<number> {
  let newest = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    newest = Math.max(newest, (await lstat(join(entry.parentPath, entry.name))).mtimeMs);
  }
  return newest;
}
