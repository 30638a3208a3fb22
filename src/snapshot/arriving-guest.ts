import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { type FileDestination, fileDestination } from '../guests/file-destination.js';
import type { Guest, GuestIdentity } from '../guests/guest.js';
import { MarksTracker } from '../memory/marks.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { ArrivalStage } from './arrival-stage.js';
import { Checkpointer, type CheckpointerOptions } from './checkpointer.js';
import type { OlderSnapshot } from './older-snapshot.js';
import type { Checkpoint, SnapshotInfo, Store } from './types.js';

const MiB = 2 ** 20;
/** What a region that appears may grow to, unless it has more already. */
const appearedRoomBytes = 64 * MiB;

export type ArrivingRegion = Pick<Region, 'id' | 'name' | 'byteLength' | 'maxByteLength'>;

export interface ArrivingGuestOptions {
  readonly store: Store;
  /** Of the snapshot. */
  readonly name: string;
  readonly identity: GuestIdentity;
  /** Where its regions are while they arrive. Closed at the end. */
  readonly stage: ArrivalStage;
  readonly maxStateBytes: number;
  /** What a region may grow to at most. */
  readonly maxRegionBytes: number;
  /** What of it is the same is not sent. Closed at the end. */
  readonly older?: OlderSnapshot;
}

/**
 * A guest of whatever kind that arrives to be stored: its regions are files, so that it takes no memory of its size. To start it is to make a snapshot of it, which
 * `restoreGuest` fills another guest with.
 */
export class ArrivingGuest implements Guest {
  readonly kind: string;
  readonly maxStateBytes: number;
  readonly #marks = new MarksTracker([]);
  /** Nothing writes but what arrives. What did is known from one checkpointer to the next. */
  readonly tracker: DirtyTracker = {
    exact: true,
    start() {},
    take: (region, into) => this.#marks.take(region, into),
    stop() {},
  };
  readonly #options: ArrivingGuestOptions;
  readonly #files = new Map<number, FileDestination>();
  /** Of those files; what is written to them is marked. */
  readonly #regions = new Map<number, Region>();
  #state: Uint8Array = new Uint8Array();
  #storing: Promise<void> | undefined;
  #snapshot: SnapshotInfo | undefined;
  #isDiscarded = false;

  constructor(options: ArrivingGuestOptions) {
    this.kind = options.identity.kind;
    this.maxStateBytes = options.maxStateBytes;
    this.#options = options;
  }

  /** What was made of it; undefined until then. */
  get snapshot(): SnapshotInfo | undefined {
    return this.#snapshot;
  }

  /** Nothing of a guest is kept: what is the same as in the snapshot before is not sent anyway. */
  get isKept(): boolean {
    return false;
  }

  get regions(): readonly Region[] {
    return [...this.#regions.values()];
  }

  describe(): GuestIdentity {
    return this.#options.identity;
  }

  async adopt(offered: readonly ArrivingRegion[]): Promise<void> {
    for (const region of offered) await this.#open(region);
  }

  async reshape(id: number, name: string, byteLength: number): Promise<void> {
    if (byteLength < 0) {
      const file = this.#files.get(id);
      this.#files.delete(id);
      this.#regions.delete(id);
      await file?.discard();
      return;
    }
    if (this.#files.has(id)) throw new FerryError('ERR_GUEST', `region ${id} is there already`);
    const maxByteLength = Math.max(appearedRoomBytes, 2 * byteLength);
    await this.#open({ id, name, byteLength, maxByteLength });
  }

  async pause(): Promise<void> {}

  /** Stores it. Idempotent. */
  resume(): Promise<void> {
    this.#storing ??= this.#store();
    return this.#storing;
  }

  async saveState(): Promise<Uint8Array> {
    return this.#state;
  }

  async loadState(state: Uint8Array): Promise<void> {
    this.#state = state.slice();
  }

  /** Removes what arrived; a snapshot that was made of it stays. Idempotent. */
  async discard(): Promise<void> {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    await this.#storing?.catch(() => {});
    await this.#clear();
  }

  /** Makes a snapshot of it while more arrives, as it is between `pause` and `resume`: the latter is called where the former failed, too. */
  async checkpoint(
    { pause, resume, saveState }: Pick<Guest, 'pause' | 'resume' | 'saveState'>,
    options: Omit<CheckpointerOptions, 'name'> = {},
  ): Promise<Checkpoint> {
    if (this.#isDiscarded) throw new FerryError('ERR_GUEST', 'what was received is gone');
    const { store, name } = this.#options;
    const regions = () => this.regions;
    const { kind, tracker, maxStateBytes } = this;
    const standing: Guest = {
      ...{ kind, tracker, maxStateBytes, pause, resume, saveState },
      get regions() {
        return regions();
      },
      describe: () => this.describe(),
      loadState: (state) => this.loadState(state),
    };
    await using checkpointer = new Checkpointer(store, standing, { ...options, name });
    return await checkpointer.take();
  }

  async #store(): Promise<void> {
    const pass = async (): Promise<void> => {};
    const saveState = () => this.saveState();
    this.#snapshot = (await this.checkpoint({ pause: pass, resume: pass, saveState })).snapshot;
    this.#isDiscarded = true;
    // It is stored: that something could not be cleared away does not undo that.
    await this.#clear().catch(() => {});
  }

  async #open({ id, name, byteLength, maxByteLength }: ArrivingRegion): Promise<void> {
    const { stage, older, maxRegionBytes } = this.#options;
    if (byteLength > maxRegionBytes) {
      const what = `region ${id} has ${byteLength} bytes; at most ${maxRegionBytes} are taken`;
      throw new FerryError('ERR_REGION_TOO_LARGE', what);
    }
    const base = older?.ofRegion(id);
    const file = await fileDestination(join(stage.folder, `region-${id}`), {
      ...{ id, name, byteLength, sparse: true },
      // What a peer says it may grow to costs memory: our own limit bounds it.
      maxByteLength: Math.min(maxByteLength, maxRegionBytes),
      ...(base === undefined ? {} : { base }),
    });
    this.#files.set(id, file);
    for (const region of file.regions) this.#mark(region);
  }

  /** All of it is new, also where another one of its id was stored; from then on what is written to it. */
  #mark(region: Region): void {
    const { id, byteLength } = region;
    this.#marks.add(region);
    this.#marks.mark(id, 0, byteLength);
    const marked: Region = Object.create(region, {
      write: {
        value: async (offset: number, from: Uint8Array): Promise<void> => {
          try {
            await region.write(offset, from);
          } finally {
            this.#marks.mark(id, offset, from.byteLength);
          }
        },
      },
    });
    this.#regions.set(id, marked);
  }

  async #clear(): Promise<void> {
    await Promise.allSettled([...this.#files.values()].map((file) => file.discard()));
    await this.#options.older?.close();
    await this.#options.stage.close();
  }
}
