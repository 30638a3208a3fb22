import { FerryError } from '../errors.js';
import type { Message } from '../protocol/messages.js';
import { sameDigest } from './digest.js';
import { also, type SourceState, type SourceStep, stay } from './source-states.js';

/** COMMIT was sent: only the destination's word, or an operator's, ends this. */
export type CommittedState = Extract<SourceState, { phase: 'committed' | 'in-doubt' }>;

export function isCommitted(state: SourceState): state is CommittedState {
  return state.phase === 'committed' || state.phase === 'in-doubt';
}

/** The outcome of a COMMIT, told at once or when asked. */
export function onOutcome(state: CommittedState, message: Message): SourceStep {
  if (message.type === 'RUNNING') {
    if (!sameDigest(message.digest, state.digest)) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'RUNNING with another digest than committed');
    }
    return { state: { phase: 'completed' }, effects: [{ do: 'close' }] };
  }
  if (message.type === 'START_FAILED') {
    const error = new FerryError(
      'ERR_START_FAILED',
      `the destination did not start: ${message.text}`,
    );
    return { state: { phase: 'failed', error }, effects: [{ do: 'resume' }, { do: 'close' }] };
  }
  if (state.phase === 'in-doubt' && message.type === 'HELLO_ACK') {
    if (message.standing === 'running' || message.standing === 'start-failed') return stay(state);
    if (message.standing === 'ready') {
      return {
        state: { phase: 'committed', digest: state.digest },
        effects: [{ do: 'send', message: { type: 'COMMIT', digest: state.digest } }],
      };
    }
    if (message.standing === 'aborted') {
      const error = new FerryError(
        'ERR_ABORTED',
        'the destination gave the guest up without starting it',
      );
      return { state: { phase: 'failed', error }, effects: [{ do: 'resume' }, { do: 'close' }] };
    }
    // 'unknown', 'new', 'receiving': nobody there remembers this COMMIT. That is no answer.
    return also({ ...state, connected: false }, { do: 'ask' });
  }
  if (message.type === 'HASHES' || message.type === 'ABORTED') return stay(state);
  throw new FerryError('ERR_UNEXPECTED_MESSAGE', `${message.type} while ${state.phase}`);
}

/** After COMMIT our own troubles and wishes change nothing: only the destination or the operator ends it. */
export function onBrokenAfterCommit(
  state: CommittedState,
  cause: 'broken' | 'cancelled',
): SourceStep {
  if (cause === 'cancelled') return stay(state);
  return {
    state: { phase: 'in-doubt', digest: state.digest, connected: false },
    effects: [{ do: 'close' }, { do: 'ask' }],
  };
}

/** The operator's word. Means nothing before COMMIT. */
export function onResolved(state: SourceState, verdict: 'resume' | 'abandon'): SourceStep {
  if (state.phase !== 'in-doubt' && state.phase !== 'committed') return stay(state);
  const error = new FerryError(
    'ERR_OUTCOME_UNKNOWN',
    verdict === 'resume'
      ? 'resumed here on the operator’s word'
      : 'given up here on the operator’s word',
  );
  return {
    state: { phase: 'failed', error },
    effects: verdict === 'resume' ? [{ do: 'resume' }, { do: 'close' }] : [{ do: 'close' }],
  };
}

export function unknownOutcome(): FerryError {
  return new FerryError(
    'ERR_OUTCOME_UNKNOWN',
    'the destination was told to start and cannot be asked whether it did',
  );
}
