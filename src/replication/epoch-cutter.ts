import type { Guest } from '../guests/guest.js';
import type { CapturedEpoch } from './captured-epoch.js';
import { type Connected, hasNothing, lacks } from './followers.js';
import type { RunGate } from './run-gate.js';

/** Pages whose marks are looked after at a time. */
const auditedPages = 64;

/** What was captured of a guest that stood still for it. */
export interface Cut {
  readonly pauseMs: number;
  readonly followers: readonly Connected[];
  readonly epochs: readonly CapturedEpoch[];
  readonly state: Uint8Array;
}

/** Cuts epochs: pauses the guest, captures for each standby what it has not, and lets it run on. */
export class EpochCutter {
  readonly #guest: Guest;
  readonly #gate: RunGate;
  #state: Uint8Array | undefined;

  constructor(guest: Guest, gate: RunGate) {
    this.#guest = guest;
    this.#gate = gate;
  }

  /** After `epoch`. Undefined where nothing happened since the last one, in memory or in the state: only a guest that stands still can say so. Rejects with ERR_GUEST or ERR_MISSED_WRITE, and the guest runs on as far as it may. */
  async cut(followers: readonly Connected[], epoch: number): Promise<Cut | undefined> {
    const isNew = followers.some((each) => hasNothing(each) || lacks(each, epoch));
    const from = performance.now();
    const epochs: CapturedEpoch[] = [];
    let state: Uint8Array;
    await this.#gate.hold();
    try {
      for (const { session } of followers) epochs.push(await session.capture());
      state = (await this.#guest.saveState()).slice();
    } finally {
      await this.#gate.letGo();
    }
    const pauseMs = performance.now() - from;
    const isEmpty = epochs.every(({ pages, changes }) => pages + changes.length === 0);
    const isSame = this.#state !== undefined && Buffer.compare(this.#state, state) === 0;
    if (!isNew && isEmpty && isSame) return undefined;
    this.#state = state;
    return { pauseMs, followers, epochs, state };
  }

  /** Sends it as epoch `number`. */
  send({ followers, epochs, state }: Cut, number: number): void {
    const cutAt = performance.now();
    for (const [at, { session, unanswered }] of followers.entries()) {
      const epoch = epochs[at];
      if (epoch === undefined) continue;
      // Nobody can have it before it left.
      unanswered.set(number, { cutAt, leftAt: Number.NEGATIVE_INFINITY });
      session.send(epoch, state, number, () => {
        unanswered.set(number, { cutAt, leftAt: performance.now() });
      });
    }
  }

  /** Whether writes were not marked, a few pages at a time. ERR_MISSED_WRITE. */
  async audit(followers: readonly Connected[]): Promise<void> {
    for (const { session } of followers) await session.audit(auditedPages);
  }
}
