import { FerryError } from '../errors.js';
import {
  also,
  type DestinationState,
  type DestinationStep,
  discarded,
  sayStartFailed,
  stay,
} from './destination-states.js';
import { isLinkFault } from './link-fault.js';

/** The connection is lost. Before READY what is here is kept for a source that comes back in time; READY is kept until it does, but for outside resources. */
export function onClosed(state: DestinationState, error: FerryError): DestinationStep {
  switch (state.phase) {
    case 'receiving':
    case 'gathering':
    case 'verifying':
    case 'repairing':
    case 'loading':
      if (!isLinkFault(error)) return discarded(error);
      // Where only a page channel is lost the others go too: the source begins all of them anew. It runs its guest meanwhile, which wants what loading takes.
      return {
        state: { phase: 'interrupted' },
        effects: [
          { do: 'close' },
          ...(state.phase === 'loading' ? [{ do: 'let-go' } as const] : []),
          { do: 'await-source' },
        ],
      };
    case 'interrupted':
      return stay(state);
    case 'ready':
      // Where READY was lost the guest runs at the source, and wants what it holds here; where COMMIT was, it is taken again before it starts.
      return {
        state: { ...state, connected: false },
        effects: [{ do: 'release' }, { do: 'await-source' }],
      };
    case 'claiming':
    case 'starting':
      return stay({ ...state, connected: false });
    case 'running':
    case 'start-failed':
    case 'aborted':
      return stay(state);
    default:
      return discarded(error);
  }
}

/** Back to go on: a switchover that was under way is off, and its promise void, as COMMIT was not sent. What it left is cleared away by the caller. */
export function onReturned(state: DestinationState): DestinationStep {
  switch (state.phase) {
    case 'receiving':
    case 'interrupted':
    case 'gathering':
    case 'verifying':
    case 'repairing':
    case 'loading':
    case 'ready':
      return stay({ phase: 'receiving' });
    case 'awaiting-offer':
    case 'admitting':
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `HELLO again while ${state.phase}`);
    default:
      return stay(state);
  }
}

/** The caller has answered HELLO_ACK with `standingOf(state)`; what follows it is decided here. */
export function onAsked(state: DestinationState): DestinationStep {
  switch (state.phase) {
    case 'ready':
    case 'claiming':
    case 'starting':
      return stay({ ...state, connected: true });
    case 'running':
      return also(state, { do: 'send', message: state.running });
    case 'start-failed':
      return also(state, sayStartFailed(state.error));
    case 'aborted':
      return stay(state);
    default:
      return stay(state);
  }
}

export function onResolved(
  state: DestinationState,
  verdict: 'resume' | 'abandon',
  claims: boolean,
): DestinationStep {
  if (state.phase !== 'ready') return stay(state);
  if (verdict === 'resume') return begin(state, claims);
  return discarded(new FerryError('ERR_ABORTED', 'given up on the operator’s word'));
}

/** The guest is to run here: at once, or where it has an owner record, once it is this member's. */
export function begin(
  { prepare, connected }: Extract<DestinationState, { phase: 'ready' }>,
  claims: boolean,
  revision?: bigint,
): DestinationStep {
  return claims
    ? also({ phase: 'claiming', prepare, connected, revision }, { do: 'claim', revision })
    : also({ phase: 'starting', prepare, connected }, { do: 'start', prepare });
}
