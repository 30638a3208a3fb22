import { FerryError, type FerryErrorCode } from '../errors.js';
import type { Clock } from './clock.js';
import type { DestinationEvent, DestinationState } from './destination-states.js';

/** What a destination says of the time without its source. Beside the source's events of the same names. */
export type OutageNotice =
  /** The connection is lost before COMMIT; what is here is kept for the source to come back to. */
  | {
      readonly type: 'interrupted';
      readonly session: string;
      readonly code: FerryErrorCode;
      readonly message: string;
    }
  /** The source is back. */
  | { readonly type: 'resumed'; readonly session: string; readonly outageMs: number };

const unnoticed = 'the source came back before its connection was known to be lost';

/** Tells, from the steps of one session's machine, when its source is gone and when it is back. */
export class OutageNotices {
  readonly #session: string;
  readonly #clock: Clock;
  readonly #emit: (notice: OutageNotice) => void;
  #lostAt: number | undefined;

  constructor(session: string, clock: Clock, emit: (notice: OutageNotice) => void) {
    this.#session = session;
    this.#clock = clock;
    this.#emit = emit;
  }

  /** The machine was fed `event`, and is in `state` now. */
  saw(event: DestinationEvent, state: DestinationState): void {
    if (isAlone(state)) {
      const error = 'error' in event ? event.error : undefined;
      if (this.#lostAt === undefined && error !== undefined) this.#lost(error);
      return;
    }
    const isBack =
      (event.type === 'returned' && state.phase === 'receiving') ||
      (event.type === 'asked' && this.#lostAt !== undefined);
    if (isBack) this.#back();
    this.#lostAt = undefined;
  }

  #lost({ code, message }: FerryError): void {
    this.#lostAt = this.#clock.now();
    this.#emit({ type: 'interrupted', session: this.#session, code, message });
  }

  #back(): void {
    if (this.#lostAt === undefined) this.#lost(new FerryError('ERR_CONNECTION_LOST', unnoticed));
    const outageMs = this.#clock.now() - (this.#lostAt ?? 0);
    this.#emit({ type: 'resumed', session: this.#session, outageMs });
  }
}

function isAlone(state: DestinationState): boolean {
  return state.phase === 'interrupted' || (state.phase === 'ready' && !state.connected);
}
