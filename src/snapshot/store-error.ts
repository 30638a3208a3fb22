import { FerryError } from '../errors.js';
import { fileError, systemCode } from '../guests/file-io.js';

/** What a store says of bytes that cannot be its own. */
export function corrupt(message: string, cause?: unknown): FerryError {
  return new FerryError('ERR_STORE_CORRUPT', message, { cause });
}

/** What `act` resolves to; what the file system throws becomes ERR_IO or ERR_DISK_FULL, and its message begins with `doing`. */
export async function coded<T>(doing: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw systemCode(error) === '' ? error : fileError(error, doing);
  }
}

/** What `act` resolves to, or undefined where there is no such file. */
export async function ifThere<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file of the store that `error` is about: the first one that its message names. */
export function fileOf(error: Error): string | undefined {
  return /\b(packs|tables|snapshots)\/[0-9a-f-]+\.[a-z]+/.exec(error.message)?.[0];
}
