import { InPlaceHasher } from '../core/in-place.js';
import { FerryError } from '../errors.js';
import { type MarksLayout, MarksTracker } from '../memory/marks.js';
import { CompareTracker, HashTracker } from '../memory/scan-trackers.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { type BufferMemory, growableBytes } from './growable.js';
import type { Guest, GuestIdentity } from './guest.js';
import { memoryRegion } from './memory-region.js';

export interface BufferGuestOptions {
  /**
   * How changed pages are found. 'hash' (the default for a WebAssembly.Memory): by hashing pages where they lie, without a copy. 'compare'
   * (the default for other memory): each page with its shadow, or its hash beyond `shadowBytes`. 'marks': the program calls `markDirty`
   * after each write, and forgetting one fails with ERR_MISSED_WRITE.
   */
  readonly tracker?: 'marks' | 'hash' | 'compare';
  /** Stops whatever writes the memory; resolves when it does. At the destination it is called only if `resume` was. */
  readonly pause?: () => void | Promise<void>;
  /** Lets it go on; at the destination: starts it. */
  readonly resume?: () => void | Promise<void>;
  /** What the program is apart from its memory. Both or none. */
  readonly saveState?: () => Uint8Array | Promise<Uint8Array>;
  readonly loadState?: (state: Uint8Array) => void | Promise<void>;
  /** Longest state in bytes. Default 1 MiB. */
  readonly maxStateBytes?: number;
  /**
   * `saveState` may also be called while the program runs, and `loadState` at the destination while memory still arrives: then the last state is
   * said by how it differs from an earlier one, and loading it was tried before. Default false.
   */
  readonly rehearsable?: boolean;
  /** How large the memory may get, in bytes. Default: what a resizable buffer allows, else its present length. */
  readonly maxByteLength?: number;
  /** Another thread may write at any time. Default: whether the memory is shared. */
  readonly concurrent?: boolean;
  /** The memory was just made and nothing was written to it: zero pages need not be. Default false. */
  readonly fresh?: boolean;
  /** At a destination: the memory may hold an older copy of what arrives. It is compared first, and only what differs travels. Default false. */
  readonly held?: boolean;
  /** False where the memory is copied and the program here goes on. Default true. */
  readonly handsOver?: boolean;
  /** What program this is, exactly: both ends must say the same. Default ''. */
  readonly version?: string;
  /** What a destination must be able to do. Default none. */
  readonly features?: readonly string[];
  /** Name of the region. Default 'memory'. */
  readonly name?: string;
}

export interface BufferGuest extends Guest {
  /** Notes that `length` bytes from `offset` on were written; call it after the store. Does nothing unless `tracker` is 'marks'. */
  markDirty(offset: number, length: number): void;
  /** Where the marks are, for other threads that write (`new RegionMarks(layout)`); undefined unless `tracker` is 'marks'. */
  readonly marks: MarksLayout | undefined;
}

/**
 * Makes plain memory a guest: an ArrayBuffer, a SharedArrayBuffer, a Buffer or other Uint8Array, a WebAssembly.Memory. The program that
 * uses it stays the caller's, who stops and continues it through `pause` and `resume`.
 */
export function bufferGuest(memory: BufferMemory, options: BufferGuestOptions = {}): BufferGuest {
  const { saveState, loadState } = options;
  if ((saveState === undefined) !== (loadState === undefined)) {
    throw new TypeError('give saveState and loadState, or neither');
  }
  if (options.rehearsable === true && saveState === undefined) {
    throw new TypeError('without a state there is nothing to rehearse');
  }
  const { bytes, grow, limit, shared } = growableBytes(memory);
  const { byteLength } = bytes();
  const maxByteLength = options.maxByteLength ?? limit ?? byteLength;
  if (maxByteLength < byteLength || maxByteLength > (limit ?? maxByteLength)) {
    throw new RangeError(`maxByteLength ${maxByteLength} does not fit a memory of ${byteLength}`);
  }
  const inPlace =
    'buffer' in memory && !(memory instanceof Uint8Array) && InPlaceHasher.accepts(memory)
      ? memory
      : undefined;
  const region = memoryRegion({
    name: options.name ?? 'memory',
    bytes,
    maxByteLength,
    concurrent: options.concurrent ?? shared,
    fresh: options.fresh ?? false,
    held: options.held ?? false,
    ...(grow === undefined ? {} : { grow }),
    ...(inPlace === undefined ? {} : { linearMemory: inPlace }),
  });
  const marks = options.tracker === 'marks' ? new MarksTracker([region], { shared }) : undefined;
  let standing: 'as given' | 'paused' | 'running' = 'as given';

  return {
    kind: 'buffer',
    regions: [region],
    tracker: marks ?? scanTracker(options.tracker ?? (inPlace === undefined ? 'compare' : 'hash')),
    marks: marks?.layoutOf(region.id),
    handsOver: options.handsOver ?? true,
    maxStateBytes: options.maxStateBytes ?? 2 ** 20,
    rehearsable: options.rehearsable ?? false,
    describe(): GuestIdentity {
      return { kind: 'buffer', version: options.version ?? '', features: options.features ?? [] };
    },
    async pause() {
      if (standing === 'paused') return;
      // Set before: where stopping fails halfway, resume still lets it go on.
      standing = 'paused';
      await options.pause?.();
    },
    async resume() {
      if (standing === 'running') return;
      await options.resume?.();
      standing = 'running';
    },
    async saveState() {
      return saveState === undefined ? new Uint8Array() : await saveState();
    },
    async loadState(state) {
      if (loadState !== undefined) await loadState(state);
      else if (state.byteLength !== 0) {
        throw new FerryError(
          'ERR_GUEST',
          `${state.byteLength} bytes of state came, but none is known`,
        );
      }
    },
    markDirty(offset, length) {
      marks?.mark(region.id, offset, length);
    },
  };
}

function scanTracker(tracker: 'marks' | 'hash' | 'compare'): DirtyTracker {
  return tracker === 'hash' ? new HashTracker() : new CompareTracker();
}
