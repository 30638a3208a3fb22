import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { closing } from './place-file.js';
import { ifThere } from './store-error.js';
import type { StoreFile, StoreFiles } from './store-files.js';

export type LockKind = 'shared' | 'exclusive';

/** A lock not refreshed for so long is nobody's: its process ended, or stands still. */
const staleMs = 60_000;
const refreshMs = 10_000;
const maxNoteBytes = 512;

/**
 * Keeps writers and prune out of each other's way, so that nobody works for nothing. Nothing depends on it: a process that stood still loses its lock and
 * does no harm when it goes on, see `publish`.
 */
export class StoreLock {
  readonly #files: StoreFiles;
  readonly #path: string;
  readonly #file: StoreFile;
  readonly #note: Uint8Array;
  readonly #timer: NodeJS.Timeout;

  private constructor(files: StoreFiles, path: string, file: StoreFile, note: Uint8Array) {
    this.#files = files;
    this.#path = path;
    this.#file = file;
    this.#note = note;
    this.#timer = setInterval(() => {
      // That it could not be refreshed makes it stale, no more.
      file.writeAt(0, note).catch(() => {});
    }, refreshMs);
    this.#timer.unref();
  }

  /** ERR_BUSY, naming the process, while another one has a lock that this one does not go with. */
  static async take(files: StoreFiles, storePath: string, kind: LockKind): Promise<StoreLock> {
    const folder = join(storePath, 'locks');
    const name = `${randomBytes(16).toString('hex')}.${kind}`;
    const path = join(folder, name);
    // Copies of a store may have lost its empty folders.
    let file = await ifThere(() => files.create(path));
    if (file === undefined) {
      await files.makeFolder(folder);
      file = await files.create(path);
    }
    const note = Buffer.from(`${process.pid} ${hostname()}`);
    const lock = new StoreLock(files, path, file, note);
    try {
      await file.writeAt(0, note);
      for (const other of await files.list(folder)) {
        const isOther = other !== name && /^[0-9a-f]{32}\.(shared|exclusive)$/.test(other);
        if (!isOther || (kind === 'shared' && other.endsWith('.shared'))) continue;
        const holder = await holderOf(files, join(folder, other));
        if (holder === undefined) {
          await ifThere(() => files.unlink(join(folder, other)));
          continue;
        }
        const doing = other.endsWith('.shared') ? 'is writing to' : 'is pruning';
        throw new FerryError('ERR_BUSY', `process ${holder} ${doing} ${storePath}`);
      }
      return lock;
    } catch (error) {
      await lock.release().catch(() => {});
      throw error;
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    // A lock that stays is stale soon: what was done under it does not fail for that.
    await this.#file.close().catch(() => {});
    await this.#files.unlink(this.#path).catch(() => {});
  }

  /** Says that its process goes on, for one that is too busy for its timers. */
  async refresh(): Promise<void> {
    await this.#file.writeAt(0, this.#note);
  }
}

/** Whose lock it is; undefined: nobody's any more. */
async function holderOf(files: StoreFiles, path: string): Promise<string | undefined> {
  return ifThere(async () => {
    if (Date.now() - (await files.modifiedMs(path)) > staleMs) return undefined;
    const note = new Uint8Array(maxNoteBytes);
    const file = await files.open(path);
    const bytes = await closing(file, () => file.readAt(0, note));
    const [pid, host] = Buffer.from(note.subarray(0, bytes)).toString().split(' ');
    const isHere = host === hostname() && Number(pid) !== process.pid;
    return isHere && !isRunning(Number(pid)) ? undefined : `${pid} of ${host}`;
  });
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
