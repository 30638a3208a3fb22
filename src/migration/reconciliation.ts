import { asFerryError, FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';
import type { Hashes, HashesRequest, Held, HeldRequest } from '../protocol/messages.js';
import { Comparisons } from './comparisons.js';
import type { MigrationEvent } from './events.js';
import { HeldComparison } from './held-comparison.js';
import type { PageEngine } from './page-engine.js';
import type { Pump } from './pump.js';
import { Repair } from './repair.js';
import type { SerialWork } from './serial-work.js';
import type { Accepted } from './source-plan.js';
import type { SourceEvent } from './source-states.js';

export interface ReconciliationDeps {
  readonly engine: PageEngine;
  readonly pump: Pump;
  readonly work: SerialWork;
  readonly send: (message: HashesRequest | HeldRequest) => void;
  /** What differed was sent once more. */
  readonly repaired: (live: () => boolean) => Promise<void>;
  readonly feed: (event: SourceEvent) => void;
  readonly emit: (event: MigrationEvent) => void;
}

/** What the destination tells of its memory, held against what is here: what it had before the first round, and hashes of what it has now. */
export class Reconciliation {
  readonly #deps: ReconciliationDeps;
  readonly #repair: Repair;
  readonly #comparisons = new Comparisons();
  #held: HeldComparison | undefined;

  constructor(deps: ReconciliationDeps) {
    this.#deps = deps;
    this.#repair = new Repair(deps.engine, deps.send);
  }

  /** Pages that had to be sent again because they differed. */
  get repairedPages(): number {
    return this.#repair.pages;
  }

  /** The destination took an offer: where it calls regions held, it tells of them next. */
  begin({ offer, offered, bases }: Accepted, regions: readonly Region[]): void {
    const { pump, engine, work, send, feed, emit } = this.#deps;
    this.#held = undefined;
    if (!bases.includes('held')) return;
    const held = new HeldComparison({
      offer,
      bases,
      gone: new Set(offered.filter((region) => !regions.includes(region)).map(({ id }) => id)),
      look: (...pages) => pump.look(...pages),
      adopt: (...pages) => engine.adopt?.(...pages),
      ask: send,
      done: (samePages) => {
        emit({ type: 'compared', samePages, totalPages: engine.totalPages });
        feed({ type: 'compared' });
      },
    });
    this.#held = held;
    work.run(async () => held.begin());
  }

  /** A switchover, or another connection, begins: what was left unanswered is forgotten. */
  forget(): void {
    this.#repair.begin();
  }

  /** The destination tells what it held before. Resolves when it was compared. */
  compareHeld(message: Held): Promise<void> {
    return this.#deps.work.run(async (live) => this.#held?.take(message, live));
  }

  /** What is waited for before more hashes of the destination are read; undefined where nothing is. */
  get room(): Promise<void> | undefined {
    return this.#comparisons.room;
  }

  /** Answers hashes of the destination; during the switchover that ends with the differing pages sent again. */
  compareHashes(message: Hashes, switching: boolean): void {
    this.#comparisons.add(switching ? this.#repairAfter(message) : this.#compareNow(message));
  }

  /** A queue behind the round under way would be as long as that takes. */
  async #compareNow(message: Hashes): Promise<void> {
    try {
      await this.#repair.comparePages(message);
    } catch (error) {
      this.#deps.feed({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
    }
  }

  #repairAfter(message: Hashes): Promise<void> {
    const { work, repaired } = this.#deps;
    return work.run(async (live) => {
      const found = await this.#repair.compare(message);
      if (found === 'asked') return;
      if (found === 'equal') {
        throw new FerryError('ERR_DIGEST', 'the digests differ although every page is the same');
      }
      await repaired(live);
    });
  }
}
