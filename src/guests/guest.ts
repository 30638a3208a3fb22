import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';

/** What must be equal at both ends. `features` must all be known to the destination. */
export interface GuestIdentity {
  /** As `Guest.kind`: "buffer", "file", "ledger", "sqlite". At most 255 bytes of UTF-8, as `version` and each feature. */
  readonly kind: string;
  /** What program it is, exactly (a hash of its code, a version); '' if it has none. */
  readonly version: string;
  /** At most 64. */
  readonly features: readonly string[];
}

/**
 * Something that runs and has memory. The engine calls these one at a time. A guest that rejects makes the migration fail with
 * ERR_GUEST; the source is then resumed.
 */
export interface Guest {
  readonly kind: string;
  /**
   * Read anew each time: regions may grow, appear and vanish while the guest runs. A region keeps its object for as long as it exists:
   * another object is another region, under whatever id.
   */
  readonly regions: readonly Region[];
  readonly tracker: DirtyTracker;
  /**
   * True (the default) where exactly one side may run: the source hands over and stays paused for good. False for things that are
   * copied (files): the source goes on whatever happens, at COMMIT at the latest.
   */
  readonly handsOver?: boolean;
  /**
   * `pausable` (the default): stopped for the last pages. `still`: does not change at all; `pause` then only checks that it did not.
   * `unpausable`: changes and cannot be stopped; it is copied when a whole pass finds what the pass before found.
   */
  readonly motion?: 'pausable' | 'still' | 'unpausable';
  /** Longest `saveState` result in bytes. Default 1 MiB. */
  readonly maxStateBytes?: number;
  /**
   * True where `saveState` may be called while the guest runs, and `loadState` at the destination while pages still arrive: what is said and done
   * then is a rehearsal, so that the last state is short and loading it is known. Default false.
   */
  readonly rehearsable?: boolean;
  describe(): GuestIdentity;
  /** Resolves when no instruction of the guest is running and none will start. Idempotent. */
  pause(): Promise<void>;
  /** Runs on. At the destination: the first instruction after a switchover. Idempotent. */
  resume(): Promise<void>;
  /** What the guest is apart from its regions. Called while paused. */
  saveState(): Promise<Uint8Array>;
  /** Takes a state saved by the same identity. May be called again with another one. Throws on anything malformed. */
  loadState(state: Uint8Array): Promise<void>;
  /** Lets go of outside resources (ports, devices, locks); called after the pause. Undone by `acquire`. */
  release?(): Promise<void>;
  /** Takes outside resources; at the destination before READY. Undone by `release`. */
  acquire?(): Promise<void>;
  /** Slows the guest: 0 is full speed, 0.9 leaves a tenth. */
  throttle?(fraction: number): void;
  /**
   * Destination only, before anything arrives: the regions that the source offers. Makes those that are not here yet; what may hold an older copy
   * says `held`. Absent: the guest has them all already.
   */
  adopt?(
    offered: readonly Pick<Region, 'id' | 'name' | 'byteLength' | 'maxByteLength'>[],
  ): Promise<void>;
  /** Destination only: a region appeared, all zero (`byteLength` >= 0), or vanished (-1) at the source. Absent: only growth is carried. */
  reshape?(id: number, name: string, byteLength: number): Promise<void>;
  /** Source only, at the end: it was handed over, and somebody else has it from now on. What it throws is forgotten. */
  handedOver?(): void | Promise<void>;
  /** Called once at the end of a migration that did not leave the guest running here: drop what was built up. */
  discard?(): Promise<void>;
}
