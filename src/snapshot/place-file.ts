import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ifThere } from './store-error.js';
import type { StoreFile, StoreFiles } from './store-files.js';

/** What a file is called until it is whole; one that an ended process left is removed by prune. */
export const temporarySuffix = '.tmp';

/**
 * Writes a new file in `folder`, syncs it, and gives it to `name` by rename or by link (EEXIST: there is one). Where anything fails the
 * new file is removed, and nothing is tried again. The folder has to be synced by the caller.
 */
export async function placeFile(
  files: StoreFiles,
  folder: string,
  name: string,
  write: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  by: 'rename' | 'link' = 'rename',
): Promise<number> {
  const temporary = join(folder, `${randomBytes(16).toString('hex')}${temporarySuffix}`);
  const file = await files.create(temporary);
  let length = 0;
  try {
    await closing(file, async () => {
      await write(async (bytes) => {
        await file.writeAt(length, bytes);
        length += bytes.length;
      });
      await file.sync();
    });
    await files[by](temporary, join(folder, name));
  } catch (error) {
    await ifThere(() => files.unlink(temporary)).catch(() => {});
    throw error;
  }
  if (by === 'link') await files.unlink(temporary);
  return length;
}

/** What `use` resolves to; the file is closed whatever happens. */
export async function closing<T>(
  file: Pick<StoreFile, 'close'>,
  use: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    result = await use();
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
  await file.close();
  return result;
}

/** For `placeFile`: one part after the other. */
export function allOf(
  parts: readonly Uint8Array[],
): (append: (bytes: Uint8Array) => Promise<void>) => Promise<void> {
  return async (append) => {
    for (const part of parts) await append(part);
  };
}
