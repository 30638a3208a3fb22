import type { FerryError } from '../errors.js';
import type { Message, Offer, Prepare, Running } from '../protocol/messages.js';

/** Where the destination stands with one session; each phase carries only what it knows. */
export type DestinationState =
  | { readonly phase: 'awaiting-offer' }
  | { readonly phase: 'admitting' }
  | { readonly phase: 'receiving' }
  | { readonly phase: 'verifying'; readonly prepare: Prepare; readonly repairs: number }
  | { readonly phase: 'repairing'; readonly repairs: number }
  | { readonly phase: 'loading'; readonly prepare: Prepare }
  | { readonly phase: 'ready'; readonly prepare: Prepare; readonly connected: boolean }
  | { readonly phase: 'starting'; readonly prepare: Prepare; readonly connected: boolean }
  | { readonly phase: 'running'; readonly running: Running }
  | { readonly phase: 'start-failed'; readonly error: FerryError }
  | { readonly phase: 'aborted'; readonly error: FerryError };

export type DestinationEvent =
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'admitted'; readonly bases: readonly ('zero' | 'unknown')[] }
  | { readonly type: 'refused'; readonly error: FerryError }
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
  /** The source is back on a new connection and asks. */
  | { readonly type: 'asked' }
  /** The source of something that is only copied stayed away for too long after READY. */
  | { readonly type: 'gave-up-waiting' }
  | { readonly type: 'resolved'; readonly verdict: 'resume' | 'abandon' };

export type DestinationEffect =
  | { readonly do: 'send'; readonly message: Message }
  | { readonly do: 'admit'; readonly offer: Offer }
  | {
      readonly do: 'apply';
      readonly message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' }>;
    }
  | { readonly do: 'round-ended' }
  /** Finish the re-read, compute the trees and the digest. */
  | { readonly do: 'verify'; readonly prepare: Prepare }
  /** Tell the source every leaf we have. */
  | { readonly do: 'send-leaves' }
  | {
      readonly do: 'send-page-hashes';
      readonly message: Extract<Message, { type: 'HASHES_REQUEST' }>;
    }
  | { readonly do: 'load'; readonly generation: number }
  /** Undo `load`: let go of outside resources, forget the state; then answer ABORTED. */
  | { readonly do: 'retreat' }
  /** Note durably that the guest is started, then start it. */
  | { readonly do: 'start'; readonly prepare: Prepare }
  /** Nothing of the guest stays here. */
  | { readonly do: 'discard' }
  /** A promise without a connection: wait for the source to ask. */
  | { readonly do: 'await-source' }
  | { readonly do: 'close' };

export interface DestinationStep {
  readonly state: DestinationState;
  readonly effects: readonly DestinationEffect[];
}
