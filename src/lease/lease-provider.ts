import type { OwnerRecord } from './owner-record.js';

/** What an engine says of a guest, by a linearizable read. */
export interface LeaseView {
  /** Of the record: higher after each change; 0 while there is none. */
  readonly revision: bigint;
  readonly record: OwnerRecord | undefined;
  /** The generation whose owner's lease has not run out; undefined: nobody's. */
  readonly alive: bigint | undefined;
}

/** A change of the record: made if its revision is still `expected`, or not at all. */
export interface Swap {
  readonly expected: bigint;
  readonly record: OwnerRecord;
  /** Only if nobody is alive either: a takeover. */
  readonly unlessAlive: boolean;
}

export type SwapOutcome =
  | { readonly type: 'won'; readonly revision: bigint }
  | { readonly type: 'lost'; readonly view: LeaseView };

/**
 * An engine that holds one guest's record and its owner's lease. What it must do, and the conformance suite tests:
 * - `read` is linearizable: it sees every change that anybody was told of before it began.
 * - A `swap` happens at most once, at one moment, or never. If it rejects with ERR_LEASE_UNKNOWN it may have happened, or may still happen until
 *   the revision is another one; only a later `read` tells.
 * - A swap puts `alive` under the lease of the record's owner in the same step, also where he owned it before and his lease had run out. It goes `ttlMs` after the last renewal reached the engine, not earlier.
 */
export interface LeaseProvider extends AsyncDisposable {
  /** Milliseconds that a lease outlives its last renewal; Infinity where the engine knows that its holder ended. */
  readonly ttlMs: number;
  /** ERR_LEASE_UNKNOWN where the engine cannot be reached, or what it has is no record. */
  read(signal?: AbortSignal): Promise<LeaseView>;
  swap(swap: Swap, signal?: AbortSignal): Promise<SwapOutcome>;
  /** Renews the lease of this member's generation. ERR_LEASE_LOST if it is another's by now; ERR_LEASE_UNKNOWN. */
  renew(generation: bigint, signal?: AbortSignal): Promise<void>;
  /** Gives the lease up, so that nobody has to wait for its end. The record stays. */
  resign(generation: bigint): Promise<void>;
  /** Calls `changed` soon after the record or `alive` changed; it may be called for nothing, and says nothing else. Ends with `signal`. */
  watch(changed: () => void, signal: AbortSignal): void;
}
