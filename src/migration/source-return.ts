import { FerryError, type FerryErrorCode } from '../errors.js';
import type { HelloAck, Message } from '../protocol/messages.js';
import type { Progress } from './convergence.js';
import { isLinkFault } from './link-fault.js';
import { also, fail, type SourcePlan, type SourceState, type SourceStep } from './source-states.js';

/** The connection is lost before COMMIT: the guest runs here, and the connection is made again. */
export type ReconnectingState = Extract<SourceState, { phase: 'reconnecting' }>;

/** What was sent and not acknowledged counts as lost. `promised`: READY may have been given, a promise nobody would ever call in. */
export function onLost(
  progress: Progress,
  error: FerryError,
  {
    promised = false,
    has = 'what-it-said',
  }: Partial<Pick<ReconnectingState, 'promised' | 'has'>> = {},
): SourceStep {
  if (!isLinkFault(error)) return giveUpReturning(error, promised);
  return {
    state: { phase: 'reconnecting', progress, error, promised, has },
    effects: [{ do: 'resume' }, { do: 'reconnect', error }],
  };
}

/** Lost once more. Why it was lost at first is the reason, not that it cannot be made again. */
export function onLostAgain(state: ReconnectingState, error: FerryError): SourceStep {
  if (!isLinkFault(error)) return giveUpReturning(error, state.promised);
  return also(state, { do: 'reconnect', error });
}

/** What a destination says to a source that is back. Undefined: nothing that has a place here. */
export function onReturned(
  state: ReconnectingState,
  message: Message,
  plan: SourcePlan,
): SourceStep | undefined {
  if (message.type === 'REJECT') {
    return fail(new FerryError(message.code, `the destination says: ${message.text}`));
  }
  return message.type === 'HELLO_ACK' ? onStanding(state, message, plan) : undefined;
}

function onStanding(
  { progress, has }: ReconnectingState,
  { standing, lastAppliedSeq }: HelloAck,
  plan: SourcePlan,
): SourceStep {
  switch (standing) {
    case 'receiving':
      if (has === 'what-it-will-tell') {
        return also({ phase: 'comparing' }, { do: 'compare-again' });
      }
      if (has === 'nothing') {
        const bases = plan.offer.regions.map(() => 'unknown' as const);
        return {
          state: { phase: 'pre-copy', progress },
          effects: [{ do: 'begin', bases }, { do: 'round' }],
        };
      }
      return {
        state: { phase: 'pre-copy', progress },
        effects: [{ do: 'go-on', lastAppliedSeq }, { do: 'round' }],
      };
    case 'new':
      // It was started again, and knows nothing of this: what it has left of it, if anything, it will tell.
      return also({ phase: 'offering', again: true }, { do: 'offer-again' });
    case 'aborted':
      return end('ERR_ABORTED', 'the destination gave up while it could not be reached');
    default:
      // Only an operator can have started it there.
      return end('ERR_OUTCOME_UNKNOWN', `the destination says ${standing} and had no COMMIT`);
  }
}

/** Nobody came back in time. */
export function onTooLong({ error, promised }: ReconnectingState): SourceStep {
  return giveUpReturning(error, promised);
}

/** Something here broke meanwhile, or the caller wants no more. */
export function onBrokenMeanwhile(
  { error: lost }: ReconnectingState,
  { type, error }: { readonly type: 'broken' | 'cancelled'; readonly error: FerryError },
): SourceStep {
  if (type === 'cancelled') return giveUpReturning(error, true);
  const what = `${lost.message}; and then ${error.message}`;
  return giveUpReturning(new FerryError(error.code, what, { cause: error }), true);
}

/** The destination keeps what it has for a while. `tell`: try once more to say that there is no need to. */
function giveUpReturning(error: FerryError, tell: boolean): SourceStep {
  const step = fail(error);
  return tell ? { ...step, effects: [...step.effects, { do: 'release-promise' }] } : step;
}

function end(code: FerryErrorCode, text: string): SourceStep {
  return fail(new FerryError(code, text));
}
