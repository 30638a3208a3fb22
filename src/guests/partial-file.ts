import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, stat, unlink } from 'node:fs/promises';
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
  /** It is one that an ended process left, with what that had received. */
  readonly isLeft: boolean;
}

/** Where what is to be at `path` is while it arrives. */
export function partialPathOf(path: string): string {
  const place = resolve(path);
  return join(dirname(place), `.${basename(place)}.pageferry-partial`);
}

/**
 * Creates `.NAME.pageferry-partial` (mode 0600, empty) for `path`. What an ended process left under that name is removed, or taken over as it is where that
 * was changed within `reuseMs` (default: removed); while another still writes it, ERR_BUSY. Symbolic links are not followed: one at `path` will be replaced,
 * one at the partial's name is removed.
 */
export async function createPartial(path: string, reuseMs = 0): Promise<PartialFile> {
  const place = resolve(path);
  const name = basename(place);
  const partialPath = partialPathOf(path);
  const held: (() => Promise<unknown>)[] = [];
  try {
    const folder = await open(dirname(place), constants.O_RDONLY | constants.O_DIRECTORY);
    held.push(() => folder.close());
    const { dev, ino } = await folder.stat({ bigint: true });
    const lock = await lockPlace(dev, ino, name);
    if (lock !== undefined) held.push(() => lock.release());
    await refuseFolder(place);
    // Without a lock nobody knows whether a partial is in use: O_EXCL then refuses it.
    const left = lock === undefined ? undefined : await takeOver(partialPath, reuseMs);
    if (left !== undefined) {
      return { path: place, partialPath, handle: left, folder, lock, isLeft: true };
    }
    if (lock !== undefined) await unlinkIfThere(partialPath);
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const handle = await open(partialPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    return { path: place, partialPath, handle, folder, lock, isLeft: false };
  } catch (error) {
    // Why it cannot be written is the news, not that letting go failed as well.
    await Promise.allSettled(held.map((close) => close()));
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

/** The file at `partialPath`, if it is one of ours that was changed within `reuseMs`: a plain file of this user alone, under one name. */
async function takeOver(partialPath: string, reuseMs: number): Promise<FileHandle | undefined> {
  if (reuseMs <= 0) return undefined;
  let handle: FileHandle;
  try {
    handle = await open(
      partialPath,
      constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch {
    return undefined;
  }
  try {
    const stats = await handle.stat();
    const { mode, uid, nlink, size, mtimeMs } = stats;
    const isOurs = stats.isFile() && nlink === 1 && uid === process.getuid?.();
    const isPrivate = (mode & 0o077) === 0;
    if (isOurs && isPrivate && size > 0 && Date.now() - mtimeMs <= reuseMs) return handle;
  } catch {
    // What cannot be looked at is not used.
  }
  await handle.close();
  return undefined;
}

/** Removes what an ended process, or transfer, left for `path`, unless it is in use or was changed within `keptMs`. */
export async function sweepPartial(path: string, keptMs: number): Promise<void> {
  const place = resolve(path);
  const { dev, ino } = await stat(dirname(place), { bigint: true });
  const lock = await lockPlace(dev, ino, basename(place));
  if (lock === undefined) return;
  try {
    const { mtimeMs } = await lstat(partialPathOf(path));
    if (Date.now() - mtimeMs >= keptMs) await unlinkIfThere(partialPathOf(path));
  } finally {
    await lock.release();
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

/**
 * Syncs the file, moves it to its place, where whatever was there is replaced, and syncs the folder. Throws only if the file is not in its
 * place. Returns why the folder could not be synced, if so: the file is in its place then, and a crash of the machine may undo that.
 */
export async function placePartial(partial: PartialFile): Promise<FerryError | undefined> {
  const { path, partialPath, handle, folder } = partial;
  try {
    await handle.sync();
    if (!(await isStillOurs(partial))) {
      throw new FerryError('ERR_IO', `${partialPath} was replaced by another file`);
    }
    await rename(partialPath, path);
  } catch (error) {
    throw fileError(error, `cannot put ${path} in its place`);
  }
  try {
    await folder.sync();
    return undefined;
  } catch (error) {
    return fileError(error, `${path} is in its place, but a crash may undo that`);
  }
}

/** Removes the partial, if it is still ours. */
export async function removePartial(partial: PartialFile): Promise<void> {
  if (await isStillOurs(partial)) await unlinkIfThere(partial.partialPath);
}

/** Closes and unlocks, all of it whatever fails; the file stays where it is. */
export async function letGo({ path, handle, folder, lock }: PartialFile): Promise<void> {
  const closed = await Promise.allSettled([handle.close(), folder.close(), lock?.release()]);
  for (const end of closed) {
    if (end.status === 'rejected') throw fileError(end.reason, `cannot close ${path}`);
  }
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
