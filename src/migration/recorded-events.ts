import { FerryError } from '../errors.js';
import type { Message } from '../protocol/messages.js';
import type { RoundOutcome } from './convergence.js';
import { isRecord } from './recorded-json.js';
import type { SourceEvent } from './source-states.js';

/**
 * The event of a source's machine that was recorded as `value`; `lastIn` is the message that arrived last before it. Undefined if it
 * is none.
 */
export function recordedSourceEvent(
  value: Readonly<Record<string, unknown>>,
  lastIn: Message | undefined,
): SourceEvent | undefined {
  const { type, error, finalSeqs, digest } = value;
  switch (type) {
    case 'message':
      return lastIn === undefined ? undefined : { type, message: lastIn };
    case 'round-ended': {
      const { outcome } = value;
      return isRoundOutcome(outcome) ? { type, outcome } : undefined;
    }
    case 'compared':
    case 'paused':
    case 'reconnected':
    case 'gave-up-waiting':
      return { type };
    case 'last-copied':
    case 'repaired':
    case 'resent':
      return areNumbers(finalSeqs) && digest instanceof Uint8Array
        ? { type, finalSeqs, digest }
        : undefined;
    case 'channel-lost':
      return typeof value['channel'] === 'number' ? { type, channel: value['channel'] } : undefined;
    case 'overrun':
      return typeof value['elapsedMs'] === 'number'
        ? { type, elapsedMs: value['elapsedMs'] }
        : undefined;
    case 'broken':
    case 'cancelled':
    case 'closed':
      return error instanceof FerryError ? { type, error } : undefined;
    case 'resolved': {
      const { verdict } = value;
      return verdict === 'resume' || verdict === 'abandon' ? { type, verdict } : undefined;
    }
    default:
      return undefined;
  }
}

function areNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'number');
}

const outcomeNumbers = [
  'round',
  'predictedDowntimeMs',
  'nextDowntimeMs',
  'pagesSent',
  'durationMs',
] as const;

function isRoundOutcome(value: unknown): value is RoundOutcome {
  return (
    isRecord(value) &&
    typeof value['settled'] === 'boolean' &&
    outcomeNumbers.every((name) => typeof value[name] === 'number')
  );
}
