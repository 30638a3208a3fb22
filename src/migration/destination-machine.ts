import { FerryError } from '../errors.js';
import type { Message, Prepare } from '../protocol/messages.js';
import { onChannelClose, onChannelClosed } from './destination-channels.js';
import { begin, onAsked, onClosed, onResolved, onReturned } from './destination-return.js';
import {
  also,
  type DestinationEvent,
  type DestinationState,
  type DestinationStep,
  discarded,
  giveUp,
  isDecided,
  startFailed,
  stay,
} from './destination-states.js';
import { sameDigest } from './digest.js';

/** How often a mismatch is repaired before it is a failure. */
const maxRepairs = 1;

/**
 * The destination's side of the conversation (docs/protocol.md, section 7), without sockets, clocks or guests. The one rule
 * everything serves: the guest starts only on COMMIT with the digest READY was given for (or on an operator's word), and with an owner record once it is claimed, and from READY on
 * everything is kept until COMMIT or ABORT.
 *
 * Throws ERR_UNEXPECTED_MESSAGE for a message that has no place in `state`; the caller feeds that back as `broken`.
 */
export function stepDestination(state: DestinationState, event: DestinationEvent): DestinationStep {
  switch (event.type) {
    case 'message':
      return onMessage(state, event.message);
    case 'pages':
      return onPages(state, event);
    case 'admitted':
      if (state.phase !== 'admitting') return stay(state);
      return {
        state: { phase: 'receiving' },
        effects: [
          { do: 'send', message: { type: 'ACCEPT', bases: event.bases } },
          ...(event.bases.includes('held') ? [{ do: 'tell-held' } as const] : []),
        ],
      };
    case 'refused':
      if (state.phase !== 'admitting') return stay(state);
      return {
        state: { phase: 'aborted', error: event.error },
        effects: [
          {
            do: 'send',
            message: { type: 'REJECT', code: event.error.code, text: event.error.message },
          },
          { do: 'discard' },
          { do: 'close' },
        ],
      };
    case 'channel-closed':
      return onChannelClosed(state, event);
    case 'gathered':
      if (state.phase !== 'gathering' || state.prepare.generation !== event.generation) {
        return stay(state);
      }
      return verify(state.prepare, state.repairs);
    case 'verified':
      return onVerified(state, event.generation, event.digest);
    case 'loaded':
      if (state.phase !== 'loading' || state.prepare.generation !== event.generation)
        return stay(state);
      return {
        state: { phase: 'ready', prepare: state.prepare, connected: true },
        effects: [{ do: 'send', message: { type: 'READY', digest: state.prepare.digest } }],
      };
    case 'broken':
      return onBroken(state, event.error);
    case 'cancelled':
      return isDecided(state) || state.phase === 'ready' ? stay(state) : giveUp(state, event.error);
    case 'started':
      if (state.phase !== 'starting') return stay(state);
      return {
        state: { phase: 'running', running: event.running },
        effects: state.connected ? [{ do: 'send', message: event.running }] : [],
      };
    case 'start-failed':
      return state.phase === 'starting' ? startFailed(state, event.error) : stay(state);
    case 'claimed':
      if (state.phase !== 'claiming') return stay(state);
      return begin({ ...state, phase: 'ready' }, false);
    case 'not-claimed': {
      if (state.phase !== 'claiming') return stay(state);
      const { prepare, connected, revision } = state;
      // An operator's word that came to nothing takes nothing from the promise.
      if (revision === undefined) return stay({ phase: 'ready', prepare, connected });
      return startFailed(state, event.error);
    }
    case 'closed':
      return onClosed(state, event.error);
    case 'returned':
      return onReturned(state);
    case 'asked':
      return onAsked(state);
    case 'gave-up-waiting':
      if (state.phase !== 'interrupted' && (state.phase !== 'ready' || state.connected)) {
        return stay(state);
      }
      return discarded(new FerryError('ERR_SOURCE_LOST', 'the source did not come back'));
    case 'resolved':
      return onResolved(state, event.verdict, event.claims === true);
    default:
      return event satisfies never;
  }
}

function onMessage(state: DestinationState, message: Message): DestinationStep {
  if (message.type === 'ABORT') return onAbort(state, message);
  const closing = message.type === 'CHANNEL_CLOSE' ? onChannelClose(state, message) : undefined;
  if (closing !== undefined) return closing;
  switch (state.phase) {
    case 'awaiting-offer':
      if (message.type !== 'OFFER') break;
      return { state: { phase: 'admitting' }, effects: [{ do: 'admit', offer: message }] };
    case 'receiving':
      if (
        message.type === 'PAGES' ||
        message.type === 'REGION' ||
        message.type === 'STATE' ||
        message.type === 'STATE_DELTA'
      ) {
        return also(state, { do: 'apply', message });
      }
      if (message.type === 'ROUND_END') return also(state, { do: 'round-ended' });
      if (message.type === 'PREPARE') return prepared(message, 0);
      if (message.type === 'HELD_REQUEST') return also(state, { do: 'send-held-pages', message });
      break;
    case 'repairing':
      if (message.type === 'HASHES_REQUEST')
        return also(state, { do: 'send-page-hashes', message });
      if (message.type === 'PAGES') return also(state, { do: 'apply', message });
      if (message.type === 'PREPARE') return prepared(message, state.repairs);
      break;
    case 'ready':
      if (message.type !== 'COMMIT') break;
      if (!sameDigest(message.digest, state.prepare.digest)) break;
      return begin({ ...state, connected: true }, message.revision !== undefined, message.revision);
    case 'claiming':
      if (message.type !== 'COMMIT') break;
      return stay({ ...state, connected: true, revision: message.revision });
    case 'starting':
      // COMMIT again after a reconnect: the first one is being carried out.
      if (message.type === 'COMMIT') return stay({ ...state, connected: true });
      break;
    case 'running':
      if (message.type === 'COMMIT') return also(state, { do: 'send', message: state.running });
      break;
    case 'aborted':
    case 'start-failed':
      // What was under way when we gave up.
      return stay(state);
    default:
      break;
  }
  throw new FerryError('ERR_UNEXPECTED_MESSAGE', `${message.type} while ${state.phase}`);
}

/** Pages on a channel of their own: behind PREPARE only those it counts, before the digest is computed. */
function onPages(
  state: DestinationState,
  { channel, seq, message }: Extract<DestinationEvent, { type: 'pages' }>,
): DestinationStep {
  switch (state.phase) {
    case 'receiving':
    case 'repairing':
      return also(state, { do: 'apply', message });
    case 'gathering':
      if (seq > (state.prepare.finalSeqs[channel] ?? 0)) break;
      return also(state, { do: 'apply', message });
    case 'interrupted':
      // Behind another channel's loss: it counts as lost as well.
      return stay(state);
    case 'aborted':
    case 'start-failed':
      // What was under way when we gave up.
      return stay(state);
    default:
      break;
  }
  throw new FerryError(
    'ERR_UNEXPECTED_MESSAGE',
    `PAGES ${seq} on channel ${channel} while ${state.phase}`,
  );
}

/** One channel is in order by itself; with several, PREPARE may have overtaken pages. */
function prepared(prepare: Prepare, repairs: number): DestinationStep {
  if (prepare.finalSeqs.length === 1) return verify(prepare, repairs);
  return { state: { phase: 'gathering', prepare, repairs }, effects: [{ do: 'gather', prepare }] };
}

function verify(prepare: Prepare, repairs: number): DestinationStep {
  return { state: { phase: 'verifying', prepare, repairs }, effects: [{ do: 'verify', prepare }] };
}

function onVerified(
  state: DestinationState,
  generation: number,
  digest: Uint8Array,
): DestinationStep {
  if (state.phase !== 'verifying' || state.prepare.generation !== generation) return stay(state);
  if (sameDigest(digest, state.prepare.digest)) {
    return {
      state: { phase: 'loading', prepare: state.prepare },
      effects: [{ do: 'load', generation }],
    };
  }
  if (state.repairs < maxRepairs) {
    return {
      state: { phase: 'repairing', repairs: state.repairs + 1 },
      effects: [{ do: 'send-leaves' }],
    };
  }
  return giveUp(state, new FerryError('ERR_DIGEST', 'the memories differ even after a repair'));
}

function onAbort(
  state: DestinationState,
  message: Extract<Message, { type: 'ABORT' }>,
): DestinationStep {
  if (isDecided(state)) {
    if (['running', 'starting', 'claiming'].includes(state.phase)) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `ABORT while ${state.phase}`);
    }
    return also(state, { do: 'send', message: { type: 'ABORTED', scope: message.scope } });
  }
  if (message.scope === 'session') {
    const error = new FerryError(message.code, `the source gave up: ${message.text}`);
    return {
      state: { phase: 'aborted', error },
      effects: [
        { do: 'discard' },
        { do: 'send', message: { type: 'ABORTED', scope: 'session' } },
        { do: 'close' },
      ],
    };
  }
  if (state.phase === 'awaiting-offer' || state.phase === 'admitting') {
    throw new FerryError('ERR_UNEXPECTED_MESSAGE', `ABORT of a switchover while ${state.phase}`);
  }
  return { state: { phase: 'receiving' }, effects: [{ do: 'retreat' }] };
}

function onBroken(state: DestinationState, error: FerryError): DestinationStep {
  if (state.phase === 'running' || state.phase === 'aborted' || state.phase === 'start-failed') {
    return also(state, { do: 'close' });
  }
  // A promise stands whatever nonsense arrives on the connection; the source may come back and ask.
  if (state.phase === 'ready' || state.phase === 'claiming' || state.phase === 'starting') {
    return {
      state: { ...state, connected: false },
      effects: [
        { do: 'close' },
        ...(state.phase === 'ready' ? ([{ do: 'release' }, { do: 'await-source' }] as const) : []),
      ],
    };
  }
  return giveUp(state, error);
}
