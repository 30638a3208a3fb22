import type { FerryError } from '../errors.js';
import type { Accept, Held, Message, Offer } from '../protocol/messages.js';
import type { ConvergenceLimits, Progress, RoundOutcome } from './convergence.js';
import type { Owner } from './source-lease.js';

/** Where the source stands; each phase carries only what it knows. */
export type SourceState =
  | { readonly phase: 'greeting' }
  /** `again`: to a destination that was started again while it could not be reached. */
  | { readonly phase: 'offering'; readonly again: boolean }
  /** The destination tells what it held before; what is the same here need not be sent. */
  | { readonly phase: 'comparing' }
  | { readonly phase: 'pre-copy'; readonly progress: Progress }
  | { readonly phase: 'pausing'; readonly progress: Progress; readonly forced: boolean }
  | { readonly phase: 'stop-and-copy'; readonly progress: Progress; readonly forced: boolean }
  | {
      readonly phase: 'preparing';
      readonly progress: Progress;
      readonly forced: boolean;
      readonly digest: Uint8Array;
      readonly finalSeqs: readonly number[];
      readonly repairs: number;
    }
  | { readonly phase: 'retreating'; readonly progress: Progress }
  /**
   * The connection is lost, for the reason `error`; the guest runs here. `promised`: as with 'aborting'. `has`: what a destination that receives then is taken to have.
   * What it acknowledged; what it tells of again, as it was not compared yet; or nothing, as its ACCEPT was lost.
   */
  | {
      readonly phase: 'reconnecting';
      readonly has: 'what-it-said' | 'what-it-will-tell' | 'nothing';
      readonly progress: Progress;
      readonly error: FerryError;
      readonly promised: boolean;
    }
  /** `revision`: of the owner record, where the guest has one, that the destination was to claim against. */
  | {
      readonly phase: 'committed';
      readonly digest: Uint8Array;
      readonly revision?: bigint | undefined;
    }
  /** With a `revision` the destination has claimed: only whether it runs there is not known. */
  | {
      readonly phase: 'in-doubt';
      readonly digest: Uint8Array;
      readonly connected: boolean;
      readonly revision?: bigint | undefined;
    }
  /** The owner record is asked who has the guest. `handedBack`: the destination said that it does not run it. */
  | {
      readonly phase: 'reclaiming';
      readonly digest: Uint8Array;
      readonly revision: bigint;
      readonly handedBack: boolean;
      readonly error: FerryError;
    }
  /** `promised`: READY may have been given, so that the destination must hear of it, on another connection if need be. */
  | { readonly phase: 'aborting'; readonly error: FerryError; readonly promised: boolean }
  | { readonly phase: 'completed' }
  | { readonly phase: 'failed'; readonly error: FerryError };

export type SourceEvent =
  | { readonly type: 'message'; readonly message: Message }
  /** What the destination held before is known. */
  | { readonly type: 'compared' }
  /** A round was sent and acknowledged whole. */
  | { readonly type: 'round-ended'; readonly outcome: RoundOutcome }
  | { readonly type: 'paused' }
  /** The last pages and the state were sent; `digest` is what the destination must come to. */
  | {
      readonly type: 'last-copied';
      readonly finalSeqs: readonly number[];
      readonly digest: Uint8Array;
    }
  /** Pages the destination reported as different were sent again. */
  | {
      readonly type: 'repaired';
      readonly finalSeqs: readonly number[];
      readonly digest: Uint8Array;
    }
  /** What was on a page channel that was lost behind PREPARE was sent again. */
  | {
      readonly type: 'resent';
      readonly finalSeqs: readonly number[];
      readonly digest: Uint8Array;
    }
  /** Page channel `channel` is lost, and it alone. */
  | { readonly type: 'channel-lost'; readonly channel: number }
  /** The pause took, or is sure to take, longer than the contract allows. */
  | { readonly type: 'overrun'; readonly elapsedMs: number }
  /** Our own guest, disk or tracker failed. */
  | { readonly type: 'broken'; readonly error: FerryError }
  | { readonly type: 'cancelled'; readonly error: FerryError }
  | { readonly type: 'closed'; readonly error: FerryError }
  /** A connection to ask on is open. */
  | { readonly type: 'reconnected' }
  /** The destination did not answer an ABORT in time, or nobody can be asked any more. */
  | { readonly type: 'gave-up-waiting' }
  | { readonly type: 'resolved'; readonly verdict: 'resume' | 'abandon' }
  /** The engine decided who owns the guest. */
  | { readonly type: 'reclaimed'; readonly by: Owner }
  /** Somebody else owns the guest, and nobody committed it here. */
  | { readonly type: 'fenced'; readonly error: FerryError };

export type SourceEffect =
  | { readonly do: 'send'; readonly message: Message }
  /** To a destination that knows nothing of what was offered before: what there is now. */
  | { readonly do: 'offer-again' }
  | { readonly do: 'begin'; readonly bases: Accept['bases'] }
  | { readonly do: 'compare-held'; readonly message: Held }
  /** The destination is back and tells once more what it held before. */
  | { readonly do: 'compare-again' }
  | { readonly do: 'round' }
  /** Make the connection again, with backoff, until it is there or that took too long. */
  | { readonly do: 'reconnect'; readonly error: FerryError }
  /** It is there: frames the destination has not applied, of control channel frames those behind `lastAppliedSeq`, are lost. */
  | { readonly do: 'go-on'; readonly lastAppliedSeq: number }
  | { readonly do: 'throttle'; readonly fraction: number }
  | { readonly do: 'pause'; readonly forced: boolean }
  | { readonly do: 'last-copy' }
  /** The guest runs on here; whatever the pause let go of is taken again. */
  | { readonly do: 'resume' }
  /** The guest stands still here, from now on: it is another's. */
  | { readonly do: 'halt' }
  /** Claim the guest against the revision that was committed, or find out who has it. */
  | { readonly do: 'reclaim'; readonly handedBack: boolean }
  /** COMMIT was sent for what is only copied: nothing of it will be read any more, and it runs on here. */
  | { readonly do: 'run-on' }
  /** Answer the destination's hashes (repair of a mismatch). */
  | { readonly do: 'compare-hashes'; readonly message: Extract<Message, { type: 'HASHES' }> }
  /** Send again what was lost with a page channel. */
  | { readonly do: 'resend' }
  /** No connection is left but the outcome must be known: reconnect and ask, with backoff. */
  | { readonly do: 'ask' }
  /** Tell the destination, if it can still be reached, that its promise is void. */
  | { readonly do: 'release-promise' }
  | { readonly do: 'await-aborted'; readonly scope: 'session' | 'switchover' }
  | { readonly do: 'close' };

export interface SourcePlan {
  readonly offer: Offer;
  readonly limits: ConvergenceLimits;
  readonly generation: (progress: Progress) => number;
  /** Of a guest with an owner record. */
  readonly lease?: {
    /** Whether the lease was renewed lately, and lasts for a pause of so many milliseconds. */
    readonly covers: (pauseMs: number) => boolean;
    /** Of the record, as its owner has it. */
    readonly revision: () => bigint;
  };
}

export interface SourceStep {
  readonly state: SourceState;
  readonly effects: readonly SourceEffect[];
}

/** Over: the guest runs here, if it had been paused. */
export function fail(error: FerryError): SourceStep {
  return { state: { phase: 'failed', error }, effects: [{ do: 'resume' }, { do: 'close' }] };
}

export function also(state: SourceState, effect: SourceEffect): SourceStep {
  return { state, effects: [effect] };
}

export function stay(state: SourceState): SourceStep {
  return { state, effects: [] };
}
