import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  unlink,
} from 'node:fs/promises';
import { syncFolder } from '../guests/durable-file.js';
import { readAt, writeAt } from '../guests/file-io.js';

/** An open file of a store. */
export interface StoreFile {
  /** Fills `into` from `position` on. Returns bytes read: fewer only where the file ends. */
  readAt(position: number, into: Uint8Array): Promise<number>;
  /** Writes all of `bytes` at `position`. Files that were opened, not created, cannot be written. */
  writeAt(position: number, bytes: Uint8Array): Promise<void>;
  /** Its length in bytes. */
  size(): Promise<number>;
  /** What was written survives a crash of the machine once this resolves. After it failed nothing is known of the file any more. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Everything a store asks of a file system, and no more: the real one, or a simulated one that loses what was not synced. Paths are absolute. What fails
 * throws the system's error (`code`: ENOENT, EEXIST, ENOSPC, ...). Symbolic links are never followed at the last part of a path.
 */
export interface StoreFiles {
  /** A new empty file, for reading and writing, mode 0600. EEXIST if there is anything of that name. */
  create(path: string): Promise<StoreFile>;
  /** A regular file, for reading. */
  open(path: string): Promise<StoreFile>;
  /** A second name for a file. EEXIST if there is anything of that name: never replaces. */
  link(from: string, to: string): Promise<void>;
  /** Replaces what is at `to`. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** The names in a folder, in no order. */
  list(folder: string): Promise<string[]>;
  /** Creates one folder, mode 0700. EEXIST if there is anything of that name. */
  makeFolder(path: string): Promise<void>;
  /** The names in a folder (created, linked, renamed, removed) survive a crash of the machine once this resolves. */
  syncFolder(path: string): Promise<void>;
  /** When a file was last written, ms since 1970. */
  modifiedMs(path: string): Promise<number>;
}

/** The file system of this machine. */
export const realFiles: StoreFiles = {
  create: async (path) => new RealFile(await open(path, createFlags, 0o600)),
  open: async (path) => {
    // O_NONBLOCK: a pipe of that name does not hold us up.
    const handle = await open(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    try {
      if ((await handle.stat()).isFile()) return new RealFile(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    throw Object.assign(new Error(`${path} is not a regular file`), { code: 'EINVAL' });
  },
  link,
  rename,
  unlink,
  list: (folder) => readdir(folder),
  makeFolder: (path) => mkdir(path, { mode: 0o700 }),
  syncFolder,
  modifiedMs: async (path) => (await lstat(path)).mtimeMs,
};

const createFlags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

class RealFile implements StoreFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  readAt(position: number, into: Uint8Array): Promise<number> {
    return readAt(this.#handle, position, into);
  }

  writeAt(position: number, bytes: Uint8Array): Promise<void> {
    return writeAt(this.#handle, position, bytes);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
