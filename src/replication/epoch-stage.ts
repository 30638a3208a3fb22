import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import type { Pages, RegionChange } from '../protocol/messages.js';
import { Copies, SlabPool } from './slabs.js';
import { SpillFile, type Staged } from './spill-file.js';
import type { Spill } from './standby-greeting.js';

/** Kept for epochs to come. */
const mostSlabs = 16;
/** What a frame counts for, at least. */
const leastBytes = 512;

/** What arrived of an epoch that has not ended: nothing of it is applied before. What memory has no room for waits in a file, where there may be one. */
export class EpochStage {
  readonly #maxBytes: number;
  readonly #spill: Spill | undefined;
  readonly #copies = new Copies(new SlabPool(mostSlabs));
  #staged: Staged[] = [];
  #bytes = 0;
  #file: SpillFile | undefined;
  #adding: Promise<void> = Promise.resolve();

  /** `maxBytes`: of one epoch, in memory. */
  constructor(maxBytes: number, spill: Spill | undefined) {
    this.#maxBytes = maxBytes;
    this.#spill = spill;
  }

  /** Keeps a copy. One after the other. ERR_NO_CAPACITY where there is no room for more of one epoch; ERR_DISK_FULL, ERR_IO. */
  add(message: Pages | RegionChange, seq: number): Promise<void> {
    this.#adding = this.#add(message, seq).catch((error: unknown) => {
      throw fileError(error, 'keeping an epoch');
    });
    return this.#adding;
  }

  /** The epoch ended: hands over all of it, in order. */
  async drain(apply: (staged: Staged) => Promise<void>): Promise<void> {
    const staged = this.#staged;
    const file = this.#file;
    this.#forget();
    try {
      for (const each of staged) await apply(each);
      this.#copies.release();
      if (file === undefined) return;
      for await (const each of file.frames()) await apply(each);
    } finally {
      await file?.close();
    }
  }

  /** What was not handed over belongs to no epoch. Nothing is added any more. */
  async close(): Promise<void> {
    await this.#adding.catch(() => {});
    const file = this.#file;
    this.#forget();
    await file?.close();
  }

  async #add(message: Pages | RegionChange, seq: number): Promise<void> {
    const body = message.type === 'PAGES' ? message.body.byteLength : 0;
    this.#bytes += Math.max(leastBytes, body);
    if (this.#bytes > this.#maxBytes) {
      if (this.#spill === undefined) {
        const what = `an epoch of more than ${this.#maxBytes} bytes`;
        throw new FerryError('ERR_NO_CAPACITY', what);
      }
      this.#file ??= await SpillFile.make(this.#spill);
      await this.#file.add({ message, seq });
      return;
    }
    const own =
      message.type === 'PAGES' ? { ...message, body: this.#copies.copy(message.body) } : message;
    this.#staged.push({ message: own, seq });
  }

  #forget(): void {
    this.#staged = [];
    this.#bytes = 0;
    this.#file = undefined;
  }
}
