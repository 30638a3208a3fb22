import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { sameDigest } from '../migration/digest.js';
import type { GuestHost } from '../migration/guest-host.js';
import type { EpochEnd, Message } from '../protocol/messages.js';
import { ArrivingState } from './arriving-state.js';
import { EpochStage } from './epoch-stage.js';
import { Scrub } from './scrub.js';
import type { Staged } from './spill-file.js';
import { type Spill, unexpected } from './standby-greeting.js';

export interface CopyLimits {
  readonly maxStateBytes: number;
  readonly maxEpochBytes: number;
  readonly spill: Spill | undefined;
  /** How long reading all of it back takes; 0: it is not read back. */
  readonly scrubMs: number;
}

/**
 * A standby's copy of a guest. Until the first epoch ended what arrives is applied at once, and is nothing whole; from then on frames wait until all of their epoch is
 * here: so the copy is always that of an epoch.
 */
export class StandbyCopy {
  readonly host: GuestHost;
  readonly #state: ArrivingState;
  readonly #stage: EpochStage;
  /** Of the last epoch that is whole. */
  #stateOfEpoch: Uint8Array = new Uint8Array();
  /** seq of the last frame that the transcript counts. */
  #lastSeq = 0;
  #finishing: Promise<void> = Promise.resolve();
  /** Of who reads the copy, or brings it to the next epoch. */
  #turn: Promise<void> = Promise.resolve();
  #isWhole = false;
  #wasWhole = false;
  readonly #limits: CopyLimits;
  readonly #damaged: (pages: number) => void;
  #scrub: Scrub | undefined;

  /** `damaged`: so many pages are not what arrived, and nothing is whole any more. */
  constructor(host: GuestHost, limits: CopyLimits, damaged: (pages: number) => void) {
    this.host = host;
    this.#limits = limits;
    this.#state = new ArrivingState(limits.maxStateBytes);
    this.#stage = new EpochStage(limits.maxEpochBytes, limits.spill);
    this.#damaged = damaged;
  }

  /** It is that of an epoch. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** It was, once. */
  get wasWhole(): boolean {
    return this.#wasWhole;
  }

  /** Of the last epoch that is whole. */
  get state(): Uint8Array {
    return this.#stateOfEpoch;
  }

  /** Resolves between two epochs; what arrives waits until the function that it gives is called. */
  async hold(): Promise<() => void> {
    const before = this.#turn;
    let letGo = (): void => {};
    this.#turn = new Promise((resolve) => {
      letGo = resolve;
    });
    await before;
    return letGo;
  }

  /** Takes what belongs to an epoch, but its end. */
  async take(message: Message, seq: number): Promise<void> {
    switch (message.type) {
      case 'PAGES':
      case 'REGION':
        this.#lastSeq = seq;
        if (this.#isWhole) await this.#stage.add(message, seq);
        else await this.#apply({ message, seq });
        return;
      case 'STATE_DELTA':
        this.#lastSeq = seq;
        this.#state.take(message);
        return;
      default:
        throw unexpected(message);
    }
  }

  /** Applies what was staged, and proves that it is what the primary has. ERR_DIGEST. */
  finish(end: EpochEnd): Promise<void> {
    this.#finishing = this.hold().then((letGo) => this.#finish(end).finally(letGo));
    return this.#finishing;
  }

  /** What belongs to no whole epoch is forgotten. Resolves when an epoch of which all is here is applied to its end. */
  async end(): Promise<void> {
    this.#scrub?.stop();
    await this.#stage.close();
    await this.#finishing.catch(() => {});
  }

  /** Loads the state of the last epoch for practice, where the guest can be asked that: it will be loaded faster. */
  async rehearse(): Promise<void> {
    const { guest, receiver } = this.host;
    if (guest.rehearsable !== true || !this.#isWhole) return;
    await receiver.afterAll(() => guest.loadState(this.#stateOfEpoch));
  }

  /** After `end`: the guest is as at the last epoch that arrived. It holds what it needs outside, and does not run yet. RangeError if nothing is whole. */
  async promote(): Promise<Guest> {
    if (!this.#isWhole) throw new RangeError('there is no copy');
    const { guest } = this.host;
    await guest.loadState(this.#stateOfEpoch);
    await guest.acquire?.();
    return this.cede();
  }

  /** After `end`: gives the guest as it is, whose copy is not kept here any more. */
  cede(): Promise<Guest> {
    this.#isWhole = false;
    return this.host.cede();
  }

  /** Nothing of it stays. */
  async discard(): Promise<void> {
    this.#isWhole = false;
    await this.host.discard();
  }

  async #apply({ message, seq }: Staged): Promise<void> {
    const { receiver } = this.host;
    if (message.type === 'PAGES') await receiver.applyPages(message, seq, 0);
    else await receiver.changeRegion(message, seq);
  }

  async #finish(end: EpochEnd): Promise<void> {
    const { number, finalSeq, digest } = end;
    if (finalSeq !== this.#lastSeq) throw unexpected(end);
    const { receiver } = this.host;
    // From here on it is neither the one epoch nor the other.
    this.#isWhole = false;
    await this.#stage.drain((staged) => this.#apply(staged));
    const { bytes } = this.#state;
    receiver.state.take({ type: 'STATE', totalBytes: bytes.byteLength, offset: 0, bytes });
    // The last frame may be one of the state, which was not applied as pages are.
    receiver.channels.note(0, finalSeq);
    const found = await receiver.verify({
      type: 'PREPARE',
      generation: number,
      finalSeqs: [finalSeq],
      digest,
    });
    if (!sameDigest(found, digest)) {
      throw new FerryError('ERR_DIGEST', `epoch ${number} is another one here than at the primary`);
    }
    this.#stateOfEpoch = bytes;
    this.#isWhole = true;
    this.#wasWhole = true;
    const { scrubMs } = this.#limits;
    if (scrubMs === 0) return;
    this.#scrub ??= new Scrub(this.host, scrubMs, (pages) => {
      this.#isWhole = false;
      this.#damaged(pages);
    });
  }
}
