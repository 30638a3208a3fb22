import type { Renewal } from './renewal.js';
import type { LeaseView, Swap, SwapOutcome } from './swap.js';

/**
 * An engine that keeps the owner records of guests and the leases of their owners. Guests are named by 1 to 64 letters, digits, ".", "_", "-", the first a letter or a digit. Every call
 * ends, with an answer or with ERR_LEASE_UNKNOWN, within a time of the engine's own; RangeError for a name, a member or a record that cannot be. What it must hold to is in
 * `test/lease/conformance.ts`.
 */
export interface LeaseProvider extends AsyncDisposable {
  /** How long a lease lasts from its last renewal, milliseconds: what its holder goes by, who uses nine tenths of it. */
  readonly ttlMs: number;
  /** Linearizable: what it says was so at one moment of the call. ERR_LEASE_UNKNOWN without an answer. */
  read(guest: string): Promise<LeaseView>;
  /**
   * Makes the change at one moment of the call, or not at all. The lease of the record's owner, who is of this process, begins with the call at the earliest. ERR_LEASE_UNKNOWN: it
   * may have been made, or may still be made for as long as the revision is the expected one.
   */
  swap(guest: string, swap: Swap): Promise<SwapOutcome>;
  /**
   * The lease of `generation`, whose owner is of this process, lasts for `ttlMs` from now on at least. False: it has run out, or another generation owns the guest. ERR_LEASE_UNKNOWN
   * without an answer: it may have been renewed or not.
   */
  renew(guest: string, generation: bigint): Promise<boolean>;
  /**
   * How another thread of this process renews the lease of `generation`; undefined where it is not held here. An engine without it is renewed from the guest's own thread.
   */
  renewal?(guest: string, generation: bigint): Renewal | undefined;
  /** Ends the lease of `generation`, if it is this process's: whoever is in sync may claim at once. Nothing happens otherwise. */
  resign(guest: string, generation: bigint): Promise<void>;
  /**
   * Calls `onChange` soon after the record of the guest or who is alive may have changed, and whenever it cannot tell. A hint: what is so only `read` says. The returned function ends it.
   */
  watch(guest: string, onChange: () => void): () => void;
  /** Lets go of everything. The leases of this process end, at once or with their time. */
  close(): Promise<void>;
}
