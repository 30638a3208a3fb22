import type { BundleDestination } from '../bundle/arriving-bundle.js';
import { FerryError } from '../errors.js';
import type { FileDestination } from '../guests/file-destination.js';
import type { Guest, GuestIdentity } from '../guests/guest.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { ArrivalStage } from './arrival-stage.js';
import type { OlderSnapshot } from './older-snapshot.js';
import { snapshotFiles } from './snapshot-files.js';
import type { SnapshotInfo, Store } from './types.js';

export interface ArrivingFilesOptions {
  readonly store: Store;
  /** Of the snapshot. */
  readonly name: string;
  /** Where the file, or the bundle's folder, is when all of it arrived: in the stage, until it is stored. */
  readonly path: string;
  /** Closed at the end. */
  readonly stage: ArrivalStage;
  /** What it is compared with while it arrives. Closed at the end. */
  readonly older?: OlderSnapshot;
}

/** A file, or a bundle, that arrives to be stored. To start it is to complete it as if it were to stay, to make a snapshot of it, and to remove it. */
export class ArrivingFiles implements Guest {
  readonly kind: string;
  readonly handsOver = false;
  readonly maxStateBytes: number;
  readonly tracker: DirtyTracker;
  readonly #inner: FileDestination | BundleDestination;
  readonly #options: ArrivingFilesOptions;
  readonly #interrupt = new AbortController();
  #storing: Promise<void> | undefined;
  #snapshot: SnapshotInfo | undefined;

  constructor(inner: FileDestination | BundleDestination, options: ArrivingFilesOptions) {
    this.kind = inner.kind;
    this.maxStateBytes = inner.maxStateBytes;
    this.tracker = inner.tracker;
    this.#inner = inner;
    this.#options = options;
  }

  get regions(): readonly Region[] {
    return this.#inner.regions;
  }

  /** What was made of it; undefined until then, and for a dry run. */
  get snapshot(): SnapshotInfo | undefined {
    return this.#snapshot;
  }

  /** It ended without success, and what arrived is still there. */
  get isKept(): boolean {
    return this.#inner.isKept;
  }

  /** Removes what was kept so long ago, if nobody receives it again. */
  sweep(keptMs: number): Promise<void> {
    return this.#options.stage.sweep(keptMs);
  }

  describe(): GuestIdentity {
    return this.#inner.describe();
  }

  async pause(): Promise<void> {}

  /** Stores it. Idempotent. */
  resume(): Promise<void> {
    this.#storing ??= this.#store();
    return this.#storing;
  }

  saveState(): Promise<Uint8Array> {
    return this.#inner.saveState();
  }

  loadState(state: Uint8Array): Promise<void> {
    return this.#inner.loadState(state);
  }

  /** Removes what arrived, unless it is to be kept; a snapshot that was made of it stays. Idempotent. */
  async discard(): Promise<void> {
    this.#interrupt.abort(new FerryError('ERR_ABORTED', 'what was received is gone'));
    await this.#storing?.catch(() => {});
    await this.#inner.discard();
    await this.#end(this.isKept);
  }

  async #store(): Promise<void> {
    const { store, name, path } = this.#options;
    await this.#inner.resume();
    const outcome = 'outcome' in this.#inner ? this.#inner.outcome?.state : undefined;
    try {
      if (outcome === 'dry-run') return;
      const { signal } = this.#interrupt;
      const made = await snapshotFiles(store, path, { name, clean: outcome !== 'unclean', signal });
      this.#snapshot = made.snapshot;
    } finally {
      // Stored or not: nobody else knows of it, and that it could not be cleared away undoes nothing.
      await this.#end(false).catch(() => {});
    }
  }

  async #end(kept: boolean): Promise<void> {
    const { older, stage } = this.#options;
    await older?.close();
    await stage.close(kept);
  }
}
