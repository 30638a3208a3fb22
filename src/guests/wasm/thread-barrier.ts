import { FerryError } from '../../errors.js';
import { inTime } from '../in-time.js';

/** A barrier that the threads of a guest offer. */
export interface ThreadBarrier {
  /** Resolves when every other thread stands still, outside of WebAssembly, and will until `leave`. ERR_GUEST after `maxCallMs`. */
  enter(): Promise<void>;
  /** Also called where `enter` did not get that far. */
  leave(): void | Promise<void>;
  /**
   * The maps in which the other threads' instances note what they write, each the memory that it exports as `map.export` of its layout, sent here; asked for
   * often. Absent: the writes of all threads are found by hashing.
   */
  maps?(): readonly { readonly buffer: ArrayBufferLike }[];
}

/** ERR_GUEST where not all stand still within `withinMs`. */
export function enterInTime(barrier: ThreadBarrier, withinMs: number): Promise<void> {
  return inTime(barrier.enter(), withinMs, () => {
    return new FerryError('ERR_GUEST', `its threads did not stand still within ${withinMs} ms`);
  });
}
