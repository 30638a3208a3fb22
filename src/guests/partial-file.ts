import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { fileError, systemCode } from './file-io.js';
import { lockPlace, type PlaceLock } from './place-lock.js';

/** A file under construction beside the place it will take, and everything held for it. */
export interface PartialFile {
  /** Where it will be. */
  readonly path: string;
  readonly partialPath: string;
  readonly handle: FileHandle;
  readonly folder: FileHandle;
  readonly lock: PlaceLock | undefined;
}

/**
 * Creates `.NAME.pageferry-partial` (mode 0600, empty) for `path`. What an ended process left under that name is removed; while
 * another still writes it, ERR_BUSY. Symbolic links are not followed: one at `path` will be replaced, one at the partial's name is removed.
 */
export async function createPartial(path: string): Promise<PartialFile> {
  const place = resolve(path);
  const name = basename(place);
  const partialPath = join(dirname(place), `.${name}.pageferry-partial`);
  const held: { close(): Promise<unknown> }[] = [];
  try {
    const folder = await open(dirname(place), constants.O_RDONLY | constants.O_DIRECTORY);
    held.push(folder);
    const { dev, ino } = await folder.stat({ bigint: true });
    const lock = await lockPlace(dev, ino, name);
    if (lock !== undefined) held.push({ close: () => lock.release() });
    await refuseFolder(place);
    // Without a lock nobody knows whether a partial is in use: O_EXCL then refuses it.
    if (lock !== undefined) await unlinkIfThere(partialPath);
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const handle = await open(partialPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    return { path: place, partialPath, handle, folder, lock };
  } catch (error) {
    for (const thing of held.reverse()) await thing.close();
    if (systemCode(error) === 'EEXIST') {
      throw new FerryError(
        'ERR_BUSY',
        `${partialPath} exists: if nothing is being received there, remove it`,
        { cause: error },
      );
    }
    throw fileError(error, `cannot write ${place}`);
  }
}

async function refuseFolder(place: string): Promise<void> {
  try {
    if (!(await lstat(place)).isDirectory()) return;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  throw new FerryError('ERR_IO', `cannot write ${place}: it is a folder`);
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** Syncs the file, moves it to its place and syncs the folder. Whatever was there is replaced. */
export async function placePartial(partial: PartialFile): Promise<void> {
  const { path, partialPath, handle, folder } = partial;
  try {
    await handle.sync();
    if (!(await isStillOurs(partial))) {
      throw new FerryError('ERR_IO', `${partialPath} was replaced by another file`);
    }
    await rename(partialPath, path);
    await folder.sync();
  } catch (error) {
    throw fileError(error, `cannot put ${path} in its place`);
  }
}

/** Removes the partial, if it is still ours. */
export async function removePartial(partial: PartialFile): Promise<void> {
  if (await isStillOurs(partial)) await unlinkIfThere(partial.partialPath);
}

/** Closes and unlocks; the file stays where it is. */
export async function letGo(partial: PartialFile): Promise<void> {
  await partial.handle.close();
  await partial.folder.close();
  await partial.lock?.release();
}

async function isStillOurs({ partialPath, handle }: PartialFile): Promise<boolean> {
  const ours = await handle.stat({ bigint: true });
  try {
    const there = await lstat(partialPath, { bigint: true });
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
