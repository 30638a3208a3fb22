import { asFerryError, type FerryErrorCode } from '../errors.js';
import type { MigrationEvent } from '../migration/events.js';
import { adviceFor } from './advice.js';
import { escapeControls } from './escape.js';

export const exitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

export type Side = 'source' | 'destination';
export type FailedEvent = Extract<MigrationEvent, { type: 'failed' }> & {
  /** In a demo: where the guest was seen running afterwards. */
  readonly guestRunsAt?: Side | null;
};

/** The command was called in a way that cannot work: exit 2, one line, nothing was done. */
export class UsageError extends Error {}

/** Runs `call`; options it finds wrong (TypeError, RangeError) become a UsageError. */
export async function checkingUsage<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      throw new UsageError(error.message, { cause: error });
    }
    throw error;
  }
}

/** How a command failed, ready to be reported. */
export class Failure extends Error {
  readonly event: FailedEvent;
  /** The peer said no before anything moved. */
  readonly refused: boolean;

  constructor(event: FailedEvent, refused = false) {
    super(event.message);
    this.event = event;
    this.refused = refused;
  }
}

/** `error` as a failure; what was thrown before a migration began has the phase 'starting'. */
export function asFailure(error: unknown, side: Side): Failure {
  if (error instanceof Failure) return error;
  const { code, message } = asFerryError(error, 'ERR_GUEST');
  return new Failure({ type: 'failed', code, message, phase: 'starting', side, retryable: false });
}

/** Code, what happened, what to do: one line, whatever a peer wrote into it. */
export function errorLine(code: FerryErrorCode, message: string): string {
  const what = escapeControls(message).replace(/[.\s]+$/, '');
  return `pageferry: ${code}: ${what}. ${adviceFor[code].todo}`;
}

export function exitCodeOf({ event, refused }: Failure): number {
  if (event.code === 'ERR_NOT_LOOPBACK') return exitCode.usage;
  return refused || event.code === 'ERR_AUTH' ? exitCode.refused : exitCode.failed;
}
