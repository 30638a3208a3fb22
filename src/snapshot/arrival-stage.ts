import { createHash } from 'node:crypto';
import { mkdir, rm, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import { lockPlace, type PlaceLock } from '../guests/place-lock.js';
import { ifThere } from './store-error.js';

/** A folder in which what is to be a snapshot of one name arrives: one at a time. */
export class ArrivalStage {
  readonly folder: string;
  readonly #place: string;
  readonly #name: string;
  #lock: PlaceLock | undefined;
  #isClosed = false;

  private constructor(place: string, name: string) {
    this.#place = place;
    this.#name = name;
    this.folder = join(place, folderName(name));
  }

  /** In folder `place`, which is made if it is not there. ERR_BUSY while something of that name arrives already. */
  static async open(place: string, name: string): Promise<ArrivalStage> {
    const stage = new ArrivalStage(resolve(place), name);
    try {
      await mkdir(stage.#place, { recursive: true, mode: 0o700 });
      await stage.#take();
      await mkdir(stage.folder, { recursive: true, mode: 0o700 });
      return stage;
    } catch (error) {
      await stage.#lock?.release();
      throw fileError(error, `cannot make ${stage.folder}`);
    }
  }

  /** Removes the folder with what is in it, unless that is to be `kept`. Idempotent. */
  async close(kept = false): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      const now = new Date();
      if (kept) await utimes(this.folder, now, now);
      else await rm(this.folder, { recursive: true, force: true });
    } finally {
      await this.#lock?.release();
    }
  }

  /** Removes what was kept, unless it is in use again, or was let go of within `keptMs`. */
  async sweep(keptMs: number): Promise<void> {
    const left = new ArrivalStage(this.#place, this.#name);
    await left.#take();
    const stats = await ifThere(() => stat(left.folder));
    if (stats !== undefined && Date.now() - stats.mtimeMs >= keptMs) await left.close();
    else await left.#lock?.release();
  }

  async #take(): Promise<void> {
    const { dev, ino } = await stat(this.#place, { bigint: true });
    try {
      this.#lock = await lockPlace(dev, ino, folderName(this.#name));
    } catch (error) {
      if (!(error instanceof FerryError && error.code === 'ERR_BUSY')) throw error;
      throw new FerryError('ERR_BUSY', `${this.#name} is being received already`);
    }
  }
}

/** What may be a snapshot's name need not be a file's. */
function folderName(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 32);
}
