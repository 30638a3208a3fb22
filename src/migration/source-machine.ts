import { FerryError, type FerryErrorCode } from '../errors.js';
import type { Accept, Message } from '../protocol/messages.js';
import {
  afterRetreat,
  type Decision,
  decide,
  lowestOf,
  noProgress,
  type Progress,
  type RoundOutcome,
} from './convergence.js';
import { sameDigest } from './digest.js';
import { onChannelClosed, onChannelLost } from './source-channels.js';
import {
  isCommitted,
  movedUnheard,
  onBrokenAfterCommit,
  onFenced,
  onOutcome,
  onReclaimed,
  onResolved,
  unanswered,
  unknownOutcome,
} from './source-outcome.js';
import { onBrokenMeanwhile, onLost, onLostAgain, onReturned, onTooLong } from './source-return.js';
import {
  also,
  fail,
  type SourceEffect,
  type SourceEvent,
  type SourcePlan,
  type SourceState,
  type SourceStep,
  stay,
} from './source-states.js';

/** How often a mismatch is repaired before it is a failure. */
const maxRepairs = 1;

/**
 * The source's side of the conversation (docs/protocol.md, section 7), without sockets, clocks or guests:
 * `stepSource(state, event, plan)` gives the next state and what is to be done. The one rule everything serves: COMMIT is sent only
 * on READY with the digest we asked for, and from that moment on a guest that is handed over never resumes here unless the destination
 * says it did not start it (or an operator does); with an owner record, unless that says that the guest is this one's.
 *
 * Throws ERR_UNEXPECTED_MESSAGE for a message that has no place in `state`; the caller feeds that back as
 * `broken`.
 */
export function stepSource(state: SourceState, event: SourceEvent, plan: SourcePlan): SourceStep {
  if (state.phase === 'completed' || state.phase === 'failed') return { state, effects: [] };
  if (state.phase === 'reclaiming' && event.type !== 'resolved') {
    return event.type === 'reclaimed' ? onReclaimed(state, event.by) : stay(state);
  }
  switch (event.type) {
    case 'message':
      return onMessage(state, event.message, plan);
    case 'compared':
      return state.phase === 'comparing' ? beginRounds() : stay(state);
    case 'round-ended':
      return state.phase === 'pre-copy'
        ? onRound(state.progress, event.outcome, plan)
        : stay(state);
    case 'paused':
      if (state.phase !== 'pausing') return stay(state);
      return { state: { ...state, phase: 'stop-and-copy' }, effects: [{ do: 'last-copy' }] };
    case 'last-copied':
      if (state.phase !== 'stop-and-copy') return stay(state);
      return {
        state: { ...state, phase: 'preparing', ...agreed(event), repairs: 0 },
        effects: [prepare(event, plan.generation(state.progress))],
      };
    case 'repaired':
    case 'resent': {
      if (state.phase !== 'preparing') return stay(state);
      const repairs = state.repairs + (event.type === 'repaired' ? 1 : 0);
      return {
        state: { ...state, ...agreed(event), repairs },
        effects: [prepare(event, plan.generation(state.progress))],
      };
    }
    case 'channel-lost':
      return onChannelLost(state, event);
    case 'overrun':
      return onOverrun(state);
    case 'broken':
    case 'cancelled':
      if (isCommitted(state)) return onBrokenAfterCommit(state, event);
      if (state.phase === 'reconnecting') return onBrokenMeanwhile(state, event);
      return abort(state, event.error);
    case 'closed':
      return onClosed(state, event.error);
    case 'reconnected':
      return state.phase === 'in-doubt' ? stay({ ...state, connected: true }) : stay(state);
    case 'gave-up-waiting':
      if (state.phase === 'aborting') return endUnanswered(state);
      if (state.phase === 'reconnecting') return onTooLong(state);
      if (
        state.phase === 'greeting' ||
        state.phase === 'offering' ||
        state.phase === 'comparing' ||
        state.phase === 'preparing' ||
        state.phase === 'retreating'
      ) {
        return abort(state, new FerryError('ERR_PEER_TIMEOUT', `no answer while ${state.phase}`));
      }
      if (state.phase === 'in-doubt' && state.revision !== undefined) return movedUnheard();
      // What is handed over may run there: only an answer or the operator may start it here again.
      if (isCommitted(state) && !plan.offer.handsOver) return fail(unknownOutcome());
      return stay(state);
    case 'resolved':
      return onResolved(state, event.verdict);
    case 'fenced':
      return isCommitted(state) ? stay(state) : onFenced(event.error);
    case 'reclaimed':
      return stay(state);
    default:
      return event satisfies never;
  }
}

function onMessage(state: SourceState, message: Message, plan: SourcePlan): SourceStep {
  if (message.type === 'ABORT' || message.type === 'FAILED') return onPeerGaveUp(state, message);
  const closed = message.type === 'CHANNEL_CLOSED' ? onChannelClosed(state, message) : undefined;
  if (closed !== undefined) return closed;
  switch (state.phase) {
    case 'greeting':
      if (message.type === 'REJECT') return fail(refused(message.code, message.text));
      if (message.type !== 'HELLO_ACK') break;
      return also({ phase: 'offering', again: false }, { do: 'send', message: plan.offer });
    case 'offering':
      if (message.type === 'REJECT') return fail(refused(message.code, message.text));
      if (message.type !== 'ACCEPT') break;
      if (message.bases.length !== plan.offer.regions.length) break;
      return onAccepted(message.bases);
    case 'comparing':
      if (message.type === 'REJECT') return fail(refused(message.code, message.text));
      if (message.type === 'HELD') return also(state, { do: 'compare-held', message });
      break;
    case 'pre-copy':
      // Of a page channel: without it the attempt has no end.
      if (message.type === 'REJECT') return fail(refused(message.code, message.text));
      if (message.type === 'HASHES') return also(state, { do: 'compare-hashes', message });
      break;
    case 'pausing':
    case 'stop-and-copy':
      if (message.type === 'HASHES') return also(state, { do: 'compare-hashes', message });
      break;
    case 'preparing':
      if (message.type === 'HASHES') {
        if (state.repairs < maxRepairs) return also(state, { do: 'compare-hashes', message });
        return abort(
          state,
          new FerryError('ERR_DIGEST', 'the memories differ even after a repair'),
        );
      }
      if (message.type !== 'READY') break;
      if (!sameDigest(message.digest, state.digest)) break;
      return commit(state.digest, plan);
    case 'retreating':
      // Answers that crossed our ABORT on the wire.
      if (message.type === 'READY' || message.type === 'HASHES') return stay(state);
      if (message.type !== 'ABORTED' || message.scope !== 'switchover') break;
      return onRetreated(state.progress, plan);
    case 'reconnecting': {
      const step = onReturned(state, message, plan);
      if (step === undefined) break;
      return step;
    }
    case 'committed':
    case 'in-doubt':
      return onOutcome(state, message);
    case 'aborting':
      return message.type === 'ABORTED' && message.scope === 'session'
        ? also(fail(state.error).state, { do: 'close' })
        : stay(state);
    default:
      break;
  }
  throw new FerryError('ERR_UNEXPECTED_MESSAGE', `${message.type} while ${state.phase}`);
}

function onAccepted(bases: Accept['bases']): SourceStep {
  const begin: SourceEffect = { do: 'begin', bases };
  if (bases.includes('held')) return also({ phase: 'comparing' }, begin);
  const { state, effects } = beginRounds();
  return { state, effects: [begin, ...effects] };
}

function beginRounds(): SourceStep {
  return also({ phase: 'pre-copy', progress: noProgress }, { do: 'round' });
}

function commit(digest: Uint8Array, plan: SourcePlan): SourceStep {
  const committed = { digest, ...(plan.lease && { revision: plan.lease.revision() }) };
  const send: SourceEffect = { do: 'send', message: { type: 'COMMIT', ...committed } };
  return {
    state: { phase: 'committed', ...committed },
    effects: plan.offer.handsOver ? [send] : [send, { do: 'run-on' }],
  };
}

function onRound(before: Progress, outcome: RoundOutcome, plan: SourcePlan): SourceStep {
  const { decision, progress } = decide(before, outcome, plan.limits);
  return carryOut(inLease(decision, outcome.predictedDowntimeMs, plan), progress);
}

function onRetreated(before: Progress, plan: SourcePlan): SourceStep {
  const { decision, progress } = afterRetreat(before, plan.limits);
  return carryOut(inLease(decision, lowestOf(progress), plan), progress);
}

/** Nobody is paused whom the lease does not outlast: what is written meanwhile is copied while the engine is away. */
function inLease(decision: Decision, pauseMs: number, { lease }: SourcePlan): Decision {
  const isCovered = decision.kind !== 'switchover' || lease === undefined || lease.covers(pauseMs);
  return isCovered ? decision : { kind: 'next-round' };
}

function carryOut(decision: Decision, progress: Progress): SourceStep {
  switch (decision.kind) {
    case 'next-round':
      return { state: { phase: 'pre-copy', progress }, effects: [{ do: 'round' }] };
    case 'throttle':
      return {
        state: { phase: 'pre-copy', progress },
        effects: [{ do: 'throttle', fraction: decision.fraction }, { do: 'round' }],
      };
    case 'switchover':
      return {
        state: { phase: 'pausing', progress, forced: decision.forced },
        effects: [{ do: 'pause', forced: decision.forced }],
      };
    case 'give-up':
      return abort(
        { phase: 'pre-copy', progress },
        new FerryError(
          'ERR_NOT_CONVERGING',
          `writes outrun the link: after ${progress.rounds} rounds the best pause to be had is ${lowestOf(progress).toFixed(0)} ms`,
        ),
      );
    default:
      return decision satisfies never;
  }
}

function onOverrun(state: SourceState): SourceStep {
  if (state.phase !== 'stop-and-copy' && state.phase !== 'preparing' && state.phase !== 'pausing') {
    return stay(state);
  }
  if (state.forced) return stay(state);
  return {
    state: { phase: 'retreating', progress: state.progress },
    effects: [
      { do: 'resume' },
      {
        do: 'send',
        message: {
          type: 'ABORT',
          scope: 'switchover',
          code: 'ERR_NOT_CONVERGING',
          text: 'the pause would overrun its limit',
        },
      },
      { do: 'await-aborted', scope: 'switchover' },
    ],
  };
}

function onPeerGaveUp(
  state: SourceState,
  message: { readonly code: FerryErrorCode; readonly text: string },
): SourceStep {
  if (isCommitted(state)) {
    throw new FerryError('ERR_UNEXPECTED_MESSAGE', `the destination gave up after COMMIT`);
  }
  const error = state.phase === 'aborting' ? state.error : refused(message.code, message.text);
  return {
    state: { phase: 'failed', error },
    effects: [
      { do: 'resume' },
      { do: 'send', message: { type: 'ABORTED', scope: 'session' } },
      { do: 'close' },
    ],
  };
}

function onClosed(state: SourceState, error: FerryError): SourceStep {
  switch (state.phase) {
    case 'committed':
      return unanswered(state, error);
    case 'in-doubt':
      return state.connected ? also({ ...state, connected: false }, { do: 'ask' }) : stay(state);
    case 'aborting':
      return endUnanswered(state);
    case 'offering':
      return state.again ? onLost(noProgress, error, { has: 'nothing' }) : fail(error);
    case 'comparing':
      return onLost(noProgress, error, { has: 'what-it-will-tell' });
    case 'pre-copy':
    case 'pausing':
    case 'stop-and-copy':
      return onLost(state.progress, error);
    case 'preparing':
    case 'retreating':
      return onLost(state.progress, error, { promised: true });
    case 'reconnecting':
      return onLostAgain(state, error);
    default:
      return fail(error);
  }
}

function abort(state: SourceState, error: FerryError): SourceStep {
  if (state.phase === 'aborting') return stay(state);
  return {
    state: {
      phase: 'aborting',
      error,
      promised: state.phase === 'preparing' || state.phase === 'retreating',
    },
    effects: [
      { do: 'resume' },
      {
        do: 'send',
        message: { type: 'ABORT', scope: 'session', code: error.code, text: error.message },
      },
      { do: 'await-aborted', scope: 'session' },
    ],
  };
}

/** An ABORT that nobody answered. A promise it was to end is released another way: nobody would ever call it in. */
function endUnanswered({
  error,
  promised,
}: Extract<SourceState, { phase: 'aborting' }>): SourceStep {
  const step = fail(error);
  return promised ? { ...step, effects: [...step.effects, { do: 'release-promise' }] } : step;
}

/** What PREPARE says that both ends must agree on. */
interface Agreed {
  readonly finalSeqs: readonly number[];
  readonly digest: Uint8Array;
}

function agreed({ finalSeqs, digest }: Agreed): Agreed {
  return { finalSeqs, digest };
}

function prepare(last: Agreed, generation: number): SourceEffect {
  return { do: 'send', message: { type: 'PREPARE', generation, ...agreed(last) } };
}

function refused(code: FerryErrorCode, text: string): FerryError {
  return new FerryError(code, `the destination says: ${text}`);
}
