import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { connectTcp, connectTls } from '../transport/index.js';
import { systemClock } from './clock.js';
import { EventStream } from './event-stream.js';
import type { MigrationEvent, MigrationReport, SourcePhase } from './events.js';
import { checkLease } from './lease-options.js';
import type { OpenTap } from './link.js';
import { type MigrateOptions, resolveOptions } from './options.js';
import { rehearse } from './rehearsal.js';
import { SourceDriver } from './source.js';
import type { SourceEvent, SourceState } from './source-states.js';
import { checkPlace, credentialsOf, type TrustOptions } from './trust.js';

export interface MigrateAddress {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

export interface MigrateTarget extends TrustOptions {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Where else the same destination listens: connections take the places in turn. Default none. */
  readonly addresses?: readonly MigrateAddress[];
  /** @internal */
  readonly watch?: SourceWatch;
}

/** Watches a migration from inside, for recordings. @internal */
export interface SourceWatch {
  readonly tap?: OpenTap;
  readonly onStep?: (event: SourceEvent, state: SourceState) => void;
}

/** A migration under way. Iterate it for its events (one loop), await `done` for how it ended. */
export interface Migration extends AsyncIterable<MigrationEvent> {
  /** 32 hex digits. */
  readonly session: string;
  /** The report; rejects with a FerryError, and the guest then runs on here (unless its code is ERR_OUTCOME_UNKNOWN, or ERR_FENCED: it is another's). */
  readonly done: Promise<MigrationReport>;
  readonly phase: SourcePhase;
  /** The operator's word on a switchover in doubt: `resume` the guest here, or `abandon` it here for good. No effect before COMMIT. */
  resolve(verdict: 'resume' | 'abandon'): void;
}

/** Failures that a later try may not meet again. */
const retryableCodes: ReadonlySet<string> = new Set([
  'ERR_PEER_TIMEOUT',
  'ERR_CONNECTION_LOST',
  'ERR_BUSY',
  'ERR_NOT_CONVERGING',
  'ERR_NO_CAPACITY',
  'ERR_DISK_FULL',
]);

/**
 * Moves `guest` to the destination that listens at `target` while it keeps running, and pauses it only for the last pages.
 * Option errors are thrown at once (TypeError, RangeError); everything later arrives through `done`.
 */
export function migrate(guest: Guest, options: MigrateOptions & MigrateTarget): Migration {
  const { insecure = false, signal, watch } = options;
  const addresses = [options, ...(options.addresses ?? [])].map(({ host, port }) => {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new RangeError(`port must be 1 to 65535, got ${port}`);
    }
    return { host, port };
  });
  const credentials = credentialsOf(options);
  checkLease(options.lease);
  if (options.lease !== undefined && guest.handsOver === false) {
    throw new RangeError('what is only copied stays with its owner: no lease');
  }
  const events = new EventStream<MigrationEvent>();
  let lastPhase: SourcePhase = 'greeting';
  const driver = new SourceDriver({
    guest,
    connect: async (nth) => {
      const { host, port } = addresses[nth % addresses.length] ?? options;
      await checkPlace(host, credentials, insecure);
      return credentials === undefined
        ? connectTcp({ host, port })
        : connectTls({ host, port, credentials });
    },
    clock: systemClock,
    options: resolveOptions(options),
    lease: options.lease,
    emit: (event) => events.push(event),
    tap: watch?.tap,
    onStep: (event, state) => {
      if (state.phase !== 'failed' && state.phase !== 'aborting') lastPhase = state.phase;
      watch?.onStep?.(event, state);
    },
  });
  const onAbort = (): void =>
    driver.cancel(new FerryError('ERR_ABORTED', 'cancelled here', { cause: signal?.reason }));
  const done = driver.done
    .catch((error: unknown) => {
      const { code, message } = asFerryError(error, 'ERR_GUEST');
      events.push({
        type: 'failed',
        code,
        message,
        phase: lastPhase,
        side: driver.failedSide,
        retryable: retryableCodes.has(code),
      });
      throw error;
    })
    .finally(() => {
      signal?.removeEventListener('abort', onAbort);
      events.end();
    });
  done.catch(() => {
    // Whoever only iterates still sees `failed`; an unhandled rejection would end their process.
  });
  if (signal?.aborted === true) onAbort();
  else {
    signal?.addEventListener('abort', onAbort, { once: true });
    driver.start();
    if ((guest.motion ?? 'pausable') === 'pausable') rehearse();
  }
  return {
    session: Buffer.from(driver.session).toString('hex'),
    done,
    get phase(): SourcePhase {
      return driver.phase;
    },
    resolve: (verdict) => driver.resolve(verdict),
    [Symbol.asyncIterator]: () => events,
  };
}
