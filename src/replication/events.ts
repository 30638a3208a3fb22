import type { FerryErrorCode } from '../errors.js';
import type { Suspicion } from './suspicion.js';

/** What happens at a primary. Texts that came from peers are theirs: escape them before you print them. */
export type PrimaryEvent =
  | {
      readonly type: 'epoch';
      readonly number: number;
      /** How long the guest stood still for it, milliseconds. */
      readonly pauseMs: number;
      /** Pages, and bytes of frames, for one standby. */
      readonly pages: number;
      readonly bytes: number;
      /** How long ago the guest was as all in sync have it, milliseconds: what a failover loses with `async` at that moment. Undefined: see `Primary.lagMs`. */
      readonly lagMs: number | undefined;
    }
  /** So many pages a member holds already. */
  | {
      readonly type: 'compared';
      readonly member: string;
      readonly samePages: number;
      readonly totalPages: number;
    }
  /** A member has all that ever left, and may take over. */
  | { readonly type: 'joined'; readonly member: string; readonly epoch: number }
  /** It may not any more. */
  | { readonly type: 'dropped'; readonly member: string }
  /** A standby could not be reached, or was lost. */
  | {
      readonly type: 'unreached';
      readonly member: string;
      readonly code: FerryErrorCode;
      readonly message: string;
    }
  /** The guest stands still until the engine answers, or standbys do. */
  | { readonly type: 'suspended' }
  | { readonly type: 'resumed' }
  /** Its probes passed: the first time, or again. */
  | { readonly type: 'healthy' }
  /** They failed; nobody else is in sync, or it is handed over, as `resigned` says then. */
  | { readonly type: 'unhealthy'; readonly reasons: readonly string[] }
  | { readonly type: 'resigned'; readonly reasons: readonly string[] }
  /** What `announce` came to. */
  | { readonly type: 'announced' }
  | { readonly type: 'unannounced'; readonly message: string }
  /** Somebody else owns the guest: it stands still here for good. */
  | { readonly type: 'fenced'; readonly message: string };

/** What happens at a store that follows. */
export type StoreStandbyEvent =
  | Extract<StandbyEvent, { readonly type: 'following' | 'lost' }>
  /** A snapshot of that epoch, by its counter. For `pauseMs` milliseconds no epoch was acknowledged. */
  | {
      readonly type: 'stored';
      readonly snapshot: number;
      readonly epoch: number;
      readonly token: bigint;
      readonly pages: number;
      readonly pauseMs: number;
    }
  | { readonly type: 'pruned'; readonly snapshots: readonly number[] }
  /** A snapshot could not be made, or older ones not be removed; it is tried again. */
  | {
      readonly type: 'unstored' | 'unpruned';
      readonly code: FerryErrorCode;
      readonly message: string;
    };

/** What happens at a standby. */
export type StandbyEvent =
  | { readonly type: 'following'; readonly epoch: number; readonly token: bigint }
  /** So many pages do not hold what arrived: there is no copy until they were sent again. */
  | { readonly type: 'damaged'; readonly pages: number }
  /** The primary's connection is lost, for this reason. Only the lease decides what that means. */
  | { readonly type: 'lost'; readonly code: FerryErrorCode; readonly message: string }
  /** It may take over, and `decide` did not say so. */
  | { readonly type: 'undecided'; readonly message: string }
  /** Paths on which the owner is not heard, oldest first; none: it is heard on all of them again. */
  | { readonly type: 'suspected'; readonly reasons: readonly Suspicion[] }
  | { readonly type: 'trusted' }
  | { readonly type: 'claiming' }
  /** Another was first, or the owner is back. */
  | { readonly type: 'outrun' }
  | { readonly type: 'promoted'; readonly token: bigint; readonly epoch: number }
  /** It owns the guest, and cannot run it: it let go of it again. */
  | { readonly type: 'failed'; readonly code: FerryErrorCode; readonly message: string };
