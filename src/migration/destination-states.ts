import type { FerryError } from '../errors.js';
import type {
  Accept,
  HeldRequest,
  Message,
  Offer,
  Pages,
  Prepare,
  Running,
  SessionStanding,
} from '../protocol/messages.js';

/** Where the destination stands with one session; each phase carries only what it knows. */
export type DestinationState =
  | { readonly phase: 'awaiting-offer' }
  | { readonly phase: 'admitting' }
  | { readonly phase: 'receiving' }
  /** The connection is lost; what is here is kept for the source to come back to. */
  | { readonly phase: 'interrupted' }
  /** PREPARE is here, and frames on page channels that it counts are not. */
  | { readonly phase: 'gathering'; readonly prepare: Prepare; readonly repairs: number }
  | { readonly phase: 'verifying'; readonly prepare: Prepare; readonly repairs: number }
  | { readonly phase: 'repairing'; readonly repairs: number }
  | { readonly phase: 'loading'; readonly prepare: Prepare }
  | { readonly phase: 'ready'; readonly prepare: Prepare; readonly connected: boolean }
  /** The owner record is claimed; whose the guest is is not known. `revision`: that of COMMIT; undefined: nobody but an operator asked for it. */
  | {
      readonly phase: 'claiming';
      readonly prepare: Prepare;
      readonly connected: boolean;
      readonly revision: bigint | undefined;
    }
  | { readonly phase: 'starting'; readonly prepare: Prepare; readonly connected: boolean }
  | { readonly phase: 'running'; readonly running: Running }
  | { readonly phase: 'start-failed'; readonly error: FerryError }
  | { readonly phase: 'aborted'; readonly error: FerryError };

export type DestinationEvent =
  | { readonly type: 'message'; readonly message: Message }
  /** On a page channel. */
  | {
      readonly type: 'pages';
      readonly channel: number;
      readonly seq: number;
      readonly message: Pages;
    }
  | { readonly type: 'admitted'; readonly bases: Accept['bases'] }
  | { readonly type: 'refused'; readonly error: FerryError }
  /** Nothing more of page channel `channel`, which its source gave up, will be applied. */
  | {
      readonly type: 'channel-closed';
      readonly channel: number;
      readonly lastAppliedSeq: number;
    }
  /** Every channel was applied as far as PREPARE says. */
  | { readonly type: 'gathered'; readonly generation: number }
  /** The trees were computed; `digest` is ours. */
  | { readonly type: 'verified'; readonly generation: number; readonly digest: Uint8Array }
  /** The state is loaded and outside resources are held. */
  | { readonly type: 'loaded'; readonly generation: number }
  /** Our own guest or disk failed, or the source sent what cannot be applied. */
  | { readonly type: 'broken'; readonly error: FerryError }
  | { readonly type: 'cancelled'; readonly error: FerryError }
  | { readonly type: 'started'; readonly running: Running }
  /** No instruction of the guest ran. */
  | { readonly type: 'start-failed'; readonly error: FerryError }
  | { readonly type: 'closed'; readonly error: FerryError }
  /** The source is back on a new connection, and will go on. */
  | { readonly type: 'returned' }
  /** The source is back on a new connection and asks. */
  | { readonly type: 'asked' }
  /** The source stayed away for too long; after READY only that of something that is only copied. */
  | { readonly type: 'gave-up-waiting' }
  /** `claims`: the guest has an owner record. */
  | {
      readonly type: 'resolved';
      readonly verdict: 'resume' | 'abandon';
      readonly claims?: boolean;
    }
  /** The guest is this member's. */
  | { readonly type: 'claimed' }
  /** It never will be, by the claim that was asked for. */
  | { readonly type: 'not-claimed'; readonly error: FerryError };

export type DestinationEffect =
  | { readonly do: 'send'; readonly message: Message }
  | { readonly do: 'admit'; readonly offer: Offer }
  | {
      readonly do: 'apply';
      readonly message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' | 'STATE_DELTA' }>;
    }
  | { readonly do: 'round-ended' }
  /** Wait until every channel was applied as far as PREPARE says. */
  | { readonly do: 'gather'; readonly prepare: Prepare }
  /** What is waited for will not come: PREPARE is void. */
  | { readonly do: 'stop-gathering' }
  /** Hear nothing more of a page channel, and say when what had arrived is done with. */
  | { readonly do: 'close-channel'; readonly channel: number }
  /** Finish the re-read, compute the trees and the digest. */
  | { readonly do: 'verify'; readonly prepare: Prepare }
  /** Tell the source every leaf we have. */
  | { readonly do: 'send-leaves' }
  | {
      readonly do: 'send-page-hashes';
      readonly message: Extract<Message, { type: 'HASHES_REQUEST' }>;
    }
  /** Tell the source what regions held before, unless something was applied since. */
  | { readonly do: 'tell-held' }
  | { readonly do: 'send-held-pages'; readonly message: HeldRequest }
  | { readonly do: 'load'; readonly generation: number }
  /** Undo `load`: let go of outside resources, forget the state; then answer ABORTED. */
  | { readonly do: 'retreat' }
  /** Undo `load`; nobody is there to be told. */
  | { readonly do: 'let-go' }
  /** Let go of outside resources only: `start` takes them again. */
  | { readonly do: 'release' }
  /** Claim the guest against that revision of the owner record; without one, against what it says, once nobody is alive. */
  | { readonly do: 'claim'; readonly revision: bigint | undefined }
  /** Note durably that the guest is started, then start it. */
  | { readonly do: 'start'; readonly prepare: Prepare }
  /** Nothing of the guest stays here. */
  | { readonly do: 'discard' }
  /** No connection: wait for the source to come back. */
  | { readonly do: 'await-source' }
  | { readonly do: 'close' };

export interface DestinationStep {
  readonly state: DestinationState;
  readonly effects: readonly DestinationEffect[];
}

/** What a source that (re)connects is told. */
export function standingOf(state: DestinationState): SessionStanding {
  switch (state.phase) {
    case 'awaiting-offer':
    case 'admitting':
      return 'new';
    case 'receiving':
    case 'interrupted':
    case 'gathering':
    case 'verifying':
    case 'repairing':
    case 'loading':
      return 'receiving';
    case 'ready':
    case 'claiming':
    case 'starting':
      return 'ready';
    case 'running':
      return 'running';
    case 'start-failed':
      return 'start-failed';
    case 'aborted':
      return 'aborted';
    default:
      return state satisfies never;
  }
}

export function giveUp(state: DestinationState, error: FerryError): DestinationStep {
  const failed: Message =
    state.phase === 'awaiting-offer' || state.phase === 'admitting'
      ? { type: 'REJECT', code: error.code, text: error.message }
      : { type: 'FAILED', code: error.code, text: error.message };
  return {
    state: { phase: 'aborted', error },
    effects: [{ do: 'send', message: failed }, { do: 'discard' }, { do: 'close' }],
  };
}

export function discarded(error: FerryError): DestinationStep {
  return { state: { phase: 'aborted', error }, effects: [{ do: 'discard' }, { do: 'close' }] };
}

/** The guest's fate is settled; no ABORT can change it. */
export function isDecided(state: DestinationState): boolean {
  return (
    state.phase === 'claiming' ||
    state.phase === 'starting' ||
    state.phase === 'running' ||
    state.phase === 'start-failed' ||
    state.phase === 'aborted'
  );
}

/** It does not run here, whoever owns it. */
export function startFailed(
  { connected }: Extract<DestinationState, { phase: 'claiming' | 'starting' }>,
  error: FerryError,
): DestinationStep {
  return {
    state: { phase: 'start-failed', error },
    effects: [...(connected ? [sayStartFailed(error)] : []), { do: 'discard' }],
  };
}

export function sayStartFailed(error: FerryError): DestinationEffect {
  return { do: 'send', message: { type: 'START_FAILED', code: error.code, text: error.message } };
}

export function also(state: DestinationState, effect: DestinationEffect): DestinationStep {
  return { state, effects: [effect] };
}

export function stay(state: DestinationState): DestinationStep {
  return { state, effects: [] };
}
