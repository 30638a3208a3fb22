import { FerryError } from '../errors.js';
import type { Link } from './link.js';
import { type Lost, Unacknowledged } from './unacknowledged.js';

/**
 * `opening`: its first connection is being made; `closing`: lost, and what of it was applied is not known; `absent`: without a connection, and nothing of it
 * is under way.
 */
export type LaneState = 'opening' | 'open' | 'closing' | 'absent';

/** One channel that pages leave on, as its source knows it. */
export class Lane {
  /** Undefined while there is none. */
  link: Link | undefined;
  /** seq of the last PAGES, REGION or STATE frame sent on it; 0: none. */
  finalSeq = 0;
  readonly unacknowledged: Unacknowledged = new Unacknowledged();
  #state: LaneState = 'opening';
  #ackedSeq = 0;
  #closingSince = 0;

  get state(): LaneState {
    return this.#state;
  }

  /** When it began to be closed, if it is. */
  get closingSince(): number | undefined {
    return this.#state === 'closing' ? this.#closingSince : undefined;
  }

  /** Its connection is there; seqs count from 1. */
  open(link: Link): void {
    this.link = link;
    this.#state = 'open';
  }

  /** It cannot be connected, and never was. */
  unreached(): void {
    if (this.#state === 'opening') this.#state = 'absent';
  }

  /** Its connection was lost at `now`; the destination is asked how far it got. */
  closing(now: number): void {
    this.#state = 'closing';
    this.#closingSince = now;
    this.link = undefined;
  }

  /** All frames up to `seq` were applied. */
  acknowledged(seq: number): void {
    this.#ackedSeq = Math.max(this.#ackedSeq, seq);
    this.unacknowledged.acknowledged(seq);
  }

  /** Nothing behind `lastAppliedSeq` will be applied: gives what that is. ERR_UNEXPECTED_MESSAGE if it contradicts what was sent or acknowledged. */
  closed(lastAppliedSeq: number): Lost {
    if (lastAppliedSeq > this.finalSeq || lastAppliedSeq < this.#ackedSeq) {
      const what = `closed behind frame ${lastAppliedSeq}, of ${this.finalSeq} sent and ${this.#ackedSeq} acknowledged`;
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', what);
    }
    this.unacknowledged.acknowledged(lastAppliedSeq);
    this.#state = 'absent';
    this.finalSeq = 0;
    this.#ackedSeq = 0;
    return this.unacknowledged.take();
  }

  /** All connections are lost, and begun anew: gives what was not acknowledged. */
  restart(): Lost {
    this.link = undefined;
    this.finalSeq = 0;
    this.#ackedSeq = 0;
    this.#state = 'opening';
    return this.unacknowledged.take();
  }
}
