import { FerryError } from '../../src/errors.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import type { LeaseView } from '../../src/lease/swap.js';

interface Kept {
  revision: bigint;
  record: LeaseView['record'];
  alive: bigint | undefined;
  aliveUntil: number;
}

/** How an engine answers one process: `silent`: not at all, and nothing happens; `mute`: what is asked happens, and the answer is lost. */
export type Reach = 'answers' | 'silent' | 'mute';

/** An engine inside the test, whose outages are the test's to make. Its leases run in real time. */
export class SimulatedEngine {
  readonly ttlMs: number;
  readonly #kept = new Map<string, Kept>();
  readonly #watchers = new Set<() => void>();

  constructor(ttlMs = 400) {
    this.ttlMs = ttlMs;
  }

  /** As one process has it; `reach` may change. */
  provider(reach: { now: Reach } = { now: 'answers' }): LeaseProvider {
    const asked = async <T>(act: () => T): Promise<T> => {
      await new Promise((resolve) => setImmediate(resolve));
      if (reach.now === 'silent') throw new FerryError('ERR_LEASE_UNKNOWN', 'no answer');
      const answer = act();
      if (reach.now === 'mute') throw new FerryError('ERR_LEASE_UNKNOWN', 'the answer was lost');
      return answer;
    };
    const close = async (): Promise<void> => {};
    return {
      ttlMs: this.ttlMs,
      read: (guest) => asked(() => this.#view(guest)),
      swap: (guest, { expected, record, unlessAlive }) =>
        asked(() => {
          const kept = this.#of(guest);
          const view = this.#view(guest);
          if (view.revision !== expected || (unlessAlive && view.alive !== undefined)) {
            return { type: 'lost', view } as const;
          }
          kept.revision += 1n;
          kept.record = record;
          kept.alive = record.generation;
          kept.aliveUntil = performance.now() + this.ttlMs;
          this.#changed();
          return { type: 'won', revision: kept.revision } as const;
        }),
      renew: (guest, generation) =>
        asked(() => {
          const kept = this.#of(guest);
          if (this.#view(guest).alive !== generation) return false;
          kept.aliveUntil = performance.now() + this.ttlMs;
          return true;
        }),
      resign: (guest, generation) =>
        asked(() => {
          const kept = this.#of(guest);
          if (kept.alive === generation) kept.alive = undefined;
          this.#changed();
        }),
      watch: (_, onChange) => {
        const told = (): void => {
          if (reach.now === 'answers') onChange();
        };
        this.#watchers.add(told);
        return () => this.#watchers.delete(told);
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  /** Generations that a record ever had, with their owners. */
  recordOf(guest: string): LeaseView['record'] {
    return this.#of(guest).record;
  }

  #view(guest: string): LeaseView {
    const { revision, record, alive, aliveUntil } = this.#of(guest);
    return { revision, record, alive: performance.now() < aliveUntil ? alive : undefined };
  }

  #of(guest: string): Kept {
    let kept = this.#kept.get(guest);
    if (kept === undefined) {
      kept = { revision: 0n, record: undefined, alive: undefined, aliveUntil: 0 };
      this.#kept.set(guest, kept);
    }
    return kept;
  }

  #changed(): void {
    for (const told of [...this.#watchers]) setImmediate(told);
  }
}
