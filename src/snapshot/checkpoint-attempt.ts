import { setImmediate as breathe } from 'node:timers/promises';
import { asFerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { GuestWriter } from './guest-writer.js';
import type { PageStage } from './page-stage.js';
import type { RegionWatch, WatchScratch } from './region-watch.js';
import type { Checkpoint, Json, SnapshotInfo, Store } from './types.js';

/** So much is left to be copied while the guest is paused; what is more is stored while it runs. */
const mostLeftPages = 1024;
/** Passes over what changed while the guest runs, until so little is left. */
const mostPasses = 6;
/** More than that is not copied to memory: it is stored while the guest is paused. */
const mostStagedPages = 65_536;
const defaultMaxStateBytes = 2 ** 20;

export interface AttemptParts {
  readonly store: Store;
  readonly guest: Guest;
  readonly name: string;
  readonly metadata: Json | undefined;
  /** What changed pages are compared with; and what everything that did not change is as in. */
  readonly parent: SnapshotInfo | undefined;
  readonly last: SnapshotInfo | undefined;
  readonly scratch: WatchScratch;
  readonly stage: PageStage;
  /** Watches of the regions there are now. */
  readonly watch: () => readonly RegionWatch[];
  /** False: regions that come and go do not matter, as everything is stored while the guest is paused. */
  readonly mayBeginAnew: boolean;
}

/** One attempt at storing a guest. */
export class CheckpointAttempt {
  readonly #parts: AttemptParts;
  #writer: GuestWriter | undefined;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
  }

  /** Undefined: regions came, went or grew too far meanwhile, and it has to be begun anew. ERR_GUEST; errors of the store. */
  async run(): Promise<Checkpoint | undefined> {
    const { stage, mayBeginAnew, metadata } = this.#parts;
    try {
      if (mayBeginAnew) await this.#storeRunning();
      stage.reserve(mostLeftPages);
      const paused = await this.#copyPaused();
      if (paused === undefined) return undefined;
      const { watches, state, pauseMs } = paused;
      const writer = this.#writer ?? (await this.#begin(watches));
      const pausedPages = stage.pages;
      for (const { watch, first, bytes } of stage.take()) {
        await writer.writeRun(watch, first, bytes);
      }
      await writer.writeState(state);
      const snapshot = await writer.writer.publish({
        byteLengths: [...paused.byteLengths, state.byteLength],
        ...(metadata === undefined ? {} : { metadata }),
      });
      return {
        snapshot,
        pauseMs,
        pausedPages,
        pages: writer.pages,
        stateBytes: state.byteLength,
        counts: { ...writer.writer.counts },
      };
    } finally {
      stage.take();
      await this.#writer?.writer.abandon();
    }
  }

  /** Stores what changed while the guest runs, as long as much did. */
  async #storeRunning(): Promise<void> {
    const { guest, watch } = this.#parts;
    let before = Number.POSITIVE_INFINITY;
    for (let pass = 1; pass <= mostPasses; pass += 1) {
      const watches = watch();
      for (const one of watches) {
        one.note(guest.tracker);
        await one.look(breathe);
      }
      const dirty = watches.reduce((sum, one) => sum + one.dirtyPages, 0);
      if (dirty <= mostLeftPages || dirty >= before) return;
      before = dirty;
      const writer = this.#writer ?? (await this.#begin(watches));
      if (!writer.fits(watches)) return;
      await this.#storeAll(writer, watches);
    }
  }

  /** Pauses the guest, copies what is left, saves its state and lets it run on. */
  async #copyPaused() {
    const { guest } = this.#parts;
    const from = performance.now();
    try {
      await guest.pause();
      const copied = await this.#copyAll();
      return copied && { ...copied, pauseMs: await this.#resume(from) };
    } catch (error) {
      await this.#resume(from);
      throw asFerryError(error, 'ERR_GUEST');
    }
  }

  async #resume(from: number): Promise<number> {
    await this.#parts.guest.resume();
    return performance.now() - from;
  }

  async #copyAll() {
    const { guest, watch, scratch, stage, mayBeginAnew } = this.#parts;
    const watches = watch();
    if (this.#writer !== undefined && !this.#writer.fits(watches)) return undefined;
    for (const one of watches) {
      one.note(guest.tracker);
      await one.look();
    }
    const dirty = watches.reduce((sum, one) => sum + one.dirtyPages, 0);
    if (!mayBeginAnew || dirty > mostStagedPages) {
      await this.#storeAll(this.#writer ?? (await this.#begin(watches)), watches);
    }
    for (const one of watches) {
      for (let page = 0; ; ) {
        const run = await one.copyNext(page);
        if (run === undefined) break;
        stage.add(one, run.first, run.count, scratch);
        page = run.first + run.count;
      }
    }
    const state = await guest.saveState();
    return { watches, state, byteLengths: watches.map(({ region }) => region.byteLength) };
  }

  async #storeAll(writer: GuestWriter, watches: readonly RegionWatch[]): Promise<void> {
    const { scratch } = this.#parts;
    for (const one of watches) {
      for (let page = 0; ; ) {
        const run = await one.copyNext(page);
        if (run === undefined) break;
        await writer.writeRun(one, run.first, scratch.pages.subarray(0, run.count * PAGE_BYTES));
        page = run.first + run.count;
        await breathe();
      }
    }
  }

  async #begin(watches: readonly RegionWatch[]): Promise<GuestWriter> {
    const { store, guest, name, parent, last } = this.#parts;
    const { kind, version, features } = guest.describe();
    const maxStateBytes = guest.maxStateBytes ?? defaultMaxStateBytes;
    this.#writer = await GuestWriter.begin(store, watches, maxStateBytes, {
      name,
      last,
      guest: { kind, version, features: [...features] },
      ...(parent === undefined ? {} : { parent }),
    });
    return this.#writer;
  }
}
