import type { OwnerRecord } from './owner-record.js';

/** What an engine says of a guest, by a linearizable read: it sees every change that anybody was told of before it began. */
export interface LeaseView {
  /** Of the record: higher after each change; 0 while there is none. */
  readonly revision: bigint;
  readonly record: OwnerRecord | undefined;
  /** The generation whose owner's lease has not run out; undefined: nobody's. */
  readonly alive: bigint | undefined;
}

/**
 * A change of the record: made at one moment if its revision is still `expected` then, or not at all. It puts `alive` under the lease of the record's owner in the same step, also
 * where he owned it before and his lease had run out.
 */
export interface Swap {
  readonly expected: bigint;
  readonly record: OwnerRecord;
  /** Only if nobody is alive either: a takeover. */
  readonly unlessAlive: boolean;
}

export type SwapOutcome =
  | { readonly type: 'won'; readonly revision: bigint }
  | { readonly type: 'lost'; readonly view: LeaseView };
