import { setTimeout as sleep } from 'node:timers/promises';
import { type Holding, mayAct, renewed } from '../lease/holding.js';
import { LeaseKeeper } from '../lease/lease-keeper.js';
import type { OwnerRecord } from '../lease/owner-record.js';
import { claim } from '../lease/settle.js';
import type { LeaseView, Swap } from '../lease/swap.js';
import type { MigrationLease } from './lease-options.js';

/** So often in a lease's time it is renewed, twice as often as one has to have been before a switchover. */
const renewals = 8;
const fresh = 4;
/** Between two looks at a lease that has run out. */
const againMs = 10;

export interface Owned {
  readonly record: OwnerRecord;
  /** Of the record. */
  readonly revision: bigint;
}

/** One end's part in the owner record of a guest: claims it, and keeps what was won. */
export class Ownership {
  readonly options: MigrationLease;
  /** The engine does not answer while a claim is under way: told once for each. */
  onDoubt: () => void = () => {};
  #owned: Owned | undefined;
  #holding: Holding = { token: 0n, until: Number.NEGATIVE_INFINITY };
  #renewedAt = Number.NEGATIVE_INFINITY;
  #keeper: LeaseKeeper | undefined;
  #ended: Error | undefined;

  constructor(options: MigrationLease) {
    this.options = options;
  }

  /** What was claimed here last; undefined: nothing. */
  get owned(): Owned | undefined {
    return this.#owned;
  }

  /** Whether the lease lasts for `ms` more, and was renewed `lately`. */
  covers(ms: number, lately = true): boolean {
    const now = performance.now();
    const isFresh = now - this.#renewedAt <= this.options.provider.ttlMs / fresh;
    return (isFresh || !lately) && mayAct(this.#holding, now + ms);
  }

  /** Resolves to true when the lease lasts at that moment; to false where it never will again, as everything here is over. */
  async lasts(): Promise<boolean> {
    while (!mayAct(this.#holding, performance.now())) {
      if (this.#ended !== undefined) return false;
      await sleep(againMs);
    }
    return true;
  }

  /** Makes the change, and holds the lease. Undefined: won; else what the engine has instead. Asks until it is decided, or rejects with the reason of `end`. */
  async take(swap: Swap): Promise<LeaseView | undefined> {
    const { provider, name } = this.options;
    let isTold = false;
    const unanswered = (): void => {
      if (this.#ended !== undefined) throw this.#ended;
      if (!isTold) this.onDoubt();
      isTold = true;
    };
    for (let next = swap; ; ) {
      const { state, askedAt } = await claim(provider, name, next, unanswered);
      if (state.phase === 'lost') return state.view;
      const { revision } = state;
      this.adopt({ record: swap.record, revision }, askedAt);
      if (mayAct(this.#holding, performance.now())) return undefined;
      // It may have run out by now, and another may have claimed.
      next = { ...swap, expected: revision, unlessAlive: false };
    }
  }

  /** The record is this member's, and its lease was renewed by what was asked for at `askedAt`. */
  adopt(owned: Owned, askedAt: number): void {
    const token = owned.record.generation;
    if (token !== this.#holding.token) {
      this.#holding = { token, until: Number.NEGATIVE_INFINITY };
      this.#renewedAt = Number.NEGATIVE_INFINITY;
    }
    this.#owned = owned;
    this.#held(askedAt);
  }

  /** Renews the lease from now on. `lost`: it ran out, or another owns the guest; told once. */
  keep(lost: () => void): void {
    this.#keeper?.stop();
    const { provider: lease, name } = this.options;
    if (this.#owned === undefined || this.#ended !== undefined) return;
    const keeper = new LeaseKeeper({
      ...{ lease, name, token: this.#owned.record.generation, everyMs: lease.ttlMs / renewals },
      held: (askedAt) => this.#held(askedAt),
      lost: () => {
        keeper.stop();
        lost();
      },
      looked: () => {},
    });
    this.#keeper = keeper;
  }

  /** Renews nothing until `keep`. */
  leave(): void {
    this.#keeper?.stop();
  }

  /** Renews nothing more. What is asked of the engine and has no answer yet is given up, for `reason`. */
  end(reason: Error): void {
    this.#ended ??= reason;
    this.#keeper?.stop();
  }

  #held(askedAt: number): void {
    this.#holding = renewed(this.#holding, askedAt, this.options.provider.ttlMs);
    this.#renewedAt = Math.max(this.#renewedAt, askedAt);
  }
}
