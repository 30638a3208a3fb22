import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PAGE_BYTES } from '../memory/pages.js';
import { readAt, systemCode } from './file-io.js';

/** What `stat` counts blocks in, whatever the file system's are. */
const blockBytes = 512;
/** Of a file that is mostly data, what is in the cache already is worth more than its holes cost. */
const mostlyHoles = 0.5;

/**
 * Reads an open file. One that is mostly holes is read past the system's cache (O_DIRECT) where that can be done: to fill the cache with
 * zeros first, page by page, takes ten times as long. Where holes are nobody says: Node knows no SEEK_HOLE, and that a file has no blocks
 * does not mean on every file system that it holds only zeros.
 */
export class FileReader {
  readonly #handle: FileHandle;
  #direct: FileHandle | undefined;

  private constructor(handle: FileHandle, direct: FileHandle | undefined) {
    this.#handle = handle;
    this.#direct = direct;
  }

  /** `handle` stays its opener's to close. What others are writing (`live`) is in the cache, and is read there. */
  static async of(handle: FileHandle, live: boolean): Promise<FileReader> {
    const { size, blocks } = await handle.stat();
    const isSparse = !live && blocks * blockBytes < size * mostlyHoles;
    return new FileReader(handle, isSparse ? await openDirect(handle) : undefined);
  }

  /** Fills `into` from `position` of the file on. Returns the bytes read, fewer only where the file ends. */
  async read(position: number, into: Uint8Array): Promise<number> {
    const direct = this.#direct;
    if (direct === undefined || !isAligned(position, into)) {
      return readAt(this.#handle, position, into);
    }
    try {
      return await readAt(direct, position, into);
    } catch (error) {
      // The memory does not lie as the file system needs it, or it promised too much: it is asked no more.
      if (systemCode(error) !== 'EINVAL') throw error;
      await this.close();
      return readAt(this.#handle, position, into);
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const direct = this.#direct;
    this.#direct = undefined;
    await direct?.close();
  }
}

/** The same file once more, whatever its name leads to by now; undefined where it cannot be had that way. */
async function openDirect({ fd }: FileHandle): Promise<FileHandle | undefined> {
  if (process.platform !== 'linux') return undefined;
  return open(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_DIRECT).catch(
    () => undefined,
  );
}

function isAligned(position: number, { byteOffset, byteLength }: Uint8Array): boolean {
  return [position, byteOffset, byteLength].every((value) => value % PAGE_BYTES === 0);
}
