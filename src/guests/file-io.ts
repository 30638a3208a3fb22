import type { FileHandle } from 'node:fs/promises';
import { FerryError } from '../errors.js';

/** The system's code of `error` ("ENOENT"), or ''. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** `error` from the file system as a FerryError: ERR_DISK_FULL where there is no room, else ERR_IO. `doing` begins its message. */
export function fileError(error: unknown, doing: string): FerryError {
  if (error instanceof FerryError) return error;
  const code = systemCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new FerryError(full ? 'ERR_DISK_FULL' : 'ERR_IO', `${doing}: ${reason}`, { cause: error });
}

/** Fills `into` from `position` of the file on. Returns the bytes read, fewer only where the file ends. */
export async function readAt(
  handle: FileHandle,
  position: number,
  into: Uint8Array,
): Promise<number> {
  let done = 0;
  while (done < into.byteLength) {
    const left = into.byteLength - done;
    const { bytesRead } = await handle.read(into, done, left, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Writes all of `bytes` at `position`. */
export async function writeAt(
  handle: FileHandle,
  position: number,
  bytes: Uint8Array,
): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const left = bytes.byteLength - done;
    const { bytesWritten } = await handle.write(bytes, done, left, position + done);
    done += bytesWritten;
  }
}
