import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Region } from '../memory/region.js';
import { CheckpointAttempt } from './checkpoint-attempt.js';
import { PageStage } from './page-stage.js';
import { RegionWatch, WatchScratch } from './region-watch.js';
import type { Checkpoint, Json, SnapshotInfo, Store } from './types.js';

/** How often a snapshot is begun anew since regions came or went meanwhile, before all of it is stored while the guest is paused. */
const mostAttempts = 4;

export interface CheckpointerOptions {
  /** Of its snapshots. Default: the guest's kind. */
  readonly name?: string;
  /** The guest is as in this snapshot, and has not run since: only what changes is stored. */
  readonly from?: SnapshotInfo;
  readonly metadata?: Json;
}

/**
 * Stores a guest that runs, time and again: while it runs what changed since the last time, and what is left in one pause, copied to memory and stored
 * when it runs again. Holds the guest's tracker: the guest cannot be migrated meanwhile.
 */
export class Checkpointer implements AsyncDisposable {
  readonly #store: Store;
  readonly #guest: Guest;
  readonly #name: string;
  readonly #metadata: Json | undefined;
  readonly #scratch = new WatchScratch();
  readonly #stage = new PageStage();
  #watches = new Map<Region, RegionWatch>();
  #last: SnapshotInfo | undefined;
  #isClosed = false;
  /** One at a time. */
  #taking: Promise<unknown> = Promise.resolve();

  constructor(store: Store, guest: Guest, options: CheckpointerOptions = {}) {
    this.#store = store;
    this.#guest = guest;
    this.#name = options.name ?? guest.kind;
    this.#metadata = options.metadata;
    this.#last = options.from;
    guest.tracker.start();
    if (options.from !== undefined) this.#watch(true);
  }

  /** Stores the guest as it is at one moment. ERR_GUEST; whatever fails, the guest runs on and the next one is whole. */
  take(): Promise<Checkpoint> {
    const taken = this.#taking.then(() => this.#take());
    this.#taking = taken.catch(() => {});
    return taken;
  }

  /** Takes one after the other, `ms` milliseconds from one beginning to the next, or as soon as the last one is done. Ends when `signal` is aborted. */
  async *every(ms: number, signal?: AbortSignal): AsyncGenerator<Checkpoint> {
    if (!(ms > 0)) throw new RangeError(`every ${ms} ms`);
    while (!this.#isClosed && signal?.aborted !== true) {
      const startedAt = performance.now();
      yield await this.take();
      await waitFor(ms - (performance.now() - startedAt), signal);
    }
  }

  /** Lets go of the guest's tracker, after a snapshot that is under way. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#taking;
    this.#guest.tracker.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #take(): Promise<Checkpoint> {
    if (this.#isClosed) throw new FerryError('ERR_ABORTED', 'the checkpointer was closed');
    let parent = this.#last ?? (await this.#newestOfName());
    let isAgain = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const checkpoint = await new CheckpointAttempt({
          store: this.#store,
          guest: this.#guest,
          name: this.#name,
          metadata: this.#metadata,
          parent,
          last: this.#last,
          scratch: this.#scratch,
          stage: this.#stage,
          watch: () => this.#watch(false),
          mayBeginAnew: attempt < mostAttempts,
        }).run();
        if (checkpoint !== undefined) {
          this.#last = checkpoint.snapshot;
          return checkpoint;
        }
      } catch (error) {
        this.#forget();
        if (isAgain || !(error instanceof FerryError && error.code === 'ERR_BUSY')) throw error;
        // A prune took pages of the parent's meanwhile: without it all of the guest is stored, as far as the store has not got it.
        isAgain = true;
        parent = undefined;
        continue;
      }
      this.#forget();
    }
  }

  /** What was copied is in no snapshot: the next one stores everything, as far as the store has not got it. */
  #forget(): void {
    this.#last = undefined;
    for (const watch of this.#watches.values()) watch.forget();
  }

  async #newestOfName(): Promise<SnapshotInfo | undefined> {
    const snapshots = [...(await this.#store.snapshots())].reverse();
    return snapshots.find(({ manifest }) => manifest?.name === this.#name);
  }

  /** One watch for each region there is now; a region that came since was never stored. */
  #watch(isStored: boolean): readonly RegionWatch[] {
    const { regions, tracker } = this.#guest;
    const known = this.#watches;
    this.#watches = new Map(
      regions.map((region) => [
        region,
        known.get(region) ?? new RegionWatch(region, tracker, this.#scratch, isStored),
      ]),
    );
    return [...this.#watches.values()];
  }
}

async function waitFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms <= 0 || signal?.aborted === true) return;
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {
    // Aborted: whoever waits looks.
  });
}
