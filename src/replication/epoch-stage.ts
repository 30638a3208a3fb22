import { FerryError } from '../errors.js';
import type { Pages, RegionChange } from '../protocol/messages.js';
import { Copies, SlabPool } from './slabs.js';

/** Kept for epochs to come. */
const mostSlabs = 16;
/** What a change of a region counts for. */
const regionBytes = 512;

/** What waits for its epoch to end. */
export interface Staged {
  readonly message: Pages | RegionChange;
  readonly seq: number;
}

/** What arrived of an epoch that has not ended: nothing of it is applied before. */
export class EpochStage {
  readonly #copies = new Copies(new SlabPool(mostSlabs));
  #staged: Staged[] = [];
  #bytes = 0;

  /** Keeps a copy. ERR_NO_CAPACITY beyond `most` bytes of one epoch. */
  add(message: Pages | RegionChange, seq: number, most: number): void {
    this.#bytes += message.type === 'PAGES' ? message.body.byteLength : regionBytes;
    if (this.#bytes > most) {
      throw new FerryError('ERR_NO_CAPACITY', `an epoch of more than ${most} bytes`);
    }
    const own =
      message.type === 'PAGES' ? { ...message, body: this.#copies.copy(message.body) } : message;
    this.#staged.push({ message: own, seq });
  }

  /** The epoch ended: hands over all of it, in order. */
  async drain(apply: (staged: Staged) => Promise<void>): Promise<void> {
    const staged = this.#staged;
    this.clear();
    for (const each of staged) await apply(each);
    this.#copies.release();
  }

  /** What was not handed over belongs to no epoch. */
  clear(): void {
    this.#staged = [];
    this.#bytes = 0;
  }
}
