import { setTimeout as sleep } from 'node:timers/promises';
import type { Keeper } from './keeper.js';
import type { LeaseProvider } from './provider.js';

/** A lease is renewed so often in its time. */
const renewals = 4;

export interface LeaseKeeperDeps {
  readonly lease: LeaseProvider;
  /** Of the guest's record. */
  readonly name: string;
  readonly token: bigint;
  /** Does it instead, where the engine can be asked from another thread. */
  readonly keeper?: Keeper | undefined;
  /** Longest time between two looks, milliseconds. */
  readonly everyMs: number;
  /** It was renewed by what was asked for at `askedAt`. */
  readonly held: (askedAt: number) => void;
  /** It ran out, or somebody else owns the guest: the record tells. */
  readonly lost: () => void;
  /** Each time that the engine was asked, with or without an answer. */
  readonly looked: () => void;
}

/** Renews an owner's lease in time, until it is stopped. */
export class LeaseKeeper {
  readonly #deps: LeaseKeeperDeps;
  readonly #stop = new AbortController();
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** Resolves when nothing is renewed any more. */
  readonly done: Promise<void>;

  constructor(deps: LeaseKeeperDeps) {
    this.#deps = deps;
    this.done = this.#run();
  }

  /** Takes note of what the keeper did meanwhile. */
  refresh(): void {
    const { keeper, held } = this.#deps;
    if (keeper?.isRenewing !== true || keeper.renewedAt <= this.#renewedAt) return;
    this.#renewedAt = keeper.renewedAt;
    held(this.#renewedAt);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { lease, everyMs, looked } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#deps.keeper?.isRenewing === true) this.refresh();
      else await this.#renew();
      looked();
      await sleep(Math.min(lease.ttlMs / renewals, everyMs), undefined, { signal }).catch(() => {});
    }
  }

  async #renew(): Promise<void> {
    const { lease, name, token, keeper, held, lost } = this.#deps;
    const askedAt = performance.now();
    try {
      if (await lease.renew(name, token)) {
        held(askedAt);
        const renewal = lease.renewal?.(name, token);
        if (renewal !== undefined && !this.#stop.signal.aborted) keeper?.renew(renewal);
      } else if (!this.#stop.signal.aborted) lost();
    } catch {
      // Whatever the engine does not say: what is held runs out by itself.
    }
  }
}
