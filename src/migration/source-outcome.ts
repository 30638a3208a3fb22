import { FerryError } from '../errors.js';
import type { Message } from '../protocol/messages.js';
import { sameDigest } from './digest.js';
import type { Owner } from './source-lease.js';
import { also, fail, type SourceState, type SourceStep, stay } from './source-states.js';

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
    return notStarted(state, error);
  }
  if (state.phase === 'in-doubt' && message.type === 'HELLO_ACK') {
    if (message.standing === 'running' || message.standing === 'start-failed') return stay(state);
    if (message.standing === 'ready') {
      const { digest, revision } = state;
      const committed = { digest, ...(revision !== undefined && { revision }) };
      return {
        state: { phase: 'committed', ...committed },
        effects: [{ do: 'send', message: { type: 'COMMIT', ...committed } }],
      };
    }
    if (message.standing === 'aborted') {
      const error = new FerryError(
        'ERR_ABORTED',
        'the destination gave the guest up without starting it',
      );
      return notStarted(state, error);
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
  { type, error }: { readonly type: 'broken' | 'cancelled'; readonly error: FerryError },
): SourceStep {
  if (type === 'cancelled') return stay(state);
  const { digest, revision } = state;
  if (state.phase === 'committed' && revision !== undefined) {
    return reclaim(digest, revision, error, false);
  }
  return {
    state: { phase: 'in-doubt', digest, revision, connected: false },
    effects: [{ do: 'close' }, { do: 'ask' }],
  };
}

/** The connection that COMMIT was sent on is of no use any more. The owner record knows at once what the destination could only be asked. */
export function unanswered(
  state: Extract<CommittedState, { phase: 'committed' }>,
  error: FerryError,
): SourceStep {
  const { digest, revision } = state;
  if (revision !== undefined) return reclaim(digest, revision, error, false);
  return also({ phase: 'in-doubt', digest, connected: false }, { do: 'ask' });
}

/** The engine's word. Who lost never runs it: an image here is stale from the other's first instruction on. */
export function onReclaimed(
  { digest, revision, error, handedBack }: Extract<SourceState, { phase: 'reclaiming' }>,
  by: Owner,
): SourceStep {
  if (by === 'us') {
    const step = fail(error);
    return handedBack ? step : { ...step, effects: [...step.effects, { do: 'release-promise' }] };
  }
  if (by === 'destination') {
    return also({ phase: 'in-doubt', digest, revision, connected: false }, { do: 'ask' });
  }
  const what = `another member owns the guest, after: ${error.message}`;
  return stale(new FerryError('ERR_FENCED', what, { cause: error }));
}

/** The destination owns the guest, and cannot be asked whether it runs there. */
export function movedUnheard(): SourceStep {
  const what = 'the destination owns the guest, and could not be asked whether it runs there';
  return stale(new FerryError('ERR_FENCED', what));
}

/** Another owns what was not committed. */
export function onFenced(error: FerryError): SourceStep {
  const { code, message: text } = error;
  return {
    state: { phase: 'failed', error },
    effects: [
      { do: 'halt' },
      { do: 'send', message: { type: 'ABORT', scope: 'session', code, text } },
      { do: 'close' },
    ],
  };
}

function stale(error: FerryError): SourceStep {
  return { state: { phase: 'failed', error }, effects: [{ do: 'close' }] };
}

/** No instruction ran there: it runs on here, if it is still this one's. */
function notStarted({ digest, revision }: CommittedState, error: FerryError): SourceStep {
  return revision === undefined ? fail(error) : reclaim(digest, revision, error, true);
}

function reclaim(
  digest: Uint8Array,
  revision: bigint,
  error: FerryError,
  handedBack: boolean,
): SourceStep {
  return {
    state: { phase: 'reclaiming', digest, revision, error, handedBack },
    effects: [{ do: 'close' }, { do: 'reclaim', handedBack }],
  };
}

/** The operator's word. Means nothing before COMMIT; nobody's word lets a guest run that another may own. */
export function onResolved(state: SourceState, verdict: 'resume' | 'abandon'): SourceStep {
  if (state.phase !== 'reclaiming' && !isCommitted(state)) return stay(state);
  if (verdict === 'resume' && state.revision !== undefined) return stay(state);
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
