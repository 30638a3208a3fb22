import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError } from './file-io.js';

/** Writes a file of this user alone beside its place, syncs it, and puts it there: durable when it resolves. ERR_IO or ERR_DISK_FULL: perhaps it is there, else what was there before. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const partial = join(dirname(path), `.${basename(path)}.pageferry-partial`);
  try {
    await rm(partial, { force: true });
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const handle = await open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
    await syncFolder(dirname(path));
  } catch (error) {
    // On a disk that is full it would only take more room.
    await rm(partial, { force: true }).catch(() => {});
    throw fileError(error, `cannot write ${path}`);
  }
}

/** What was made, renamed or removed in it stays so over a crash. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync().finally(() => folder.close());
}
