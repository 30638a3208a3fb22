import { FerryError } from '../../errors.js';
import { inTime } from '../in-time.js';
import type { PgliteInsides } from './types.js';

/** Holds a session between two of its queries: those that are asked for meanwhile wait, as they would for one that takes long. */
export class QueryGate {
  readonly #session: PgliteInsides;
  #open: (() => void) | undefined;

  constructor(session: PgliteInsides) {
    this.#session = session;
    const execute = session.execProtocolRawSync.bind(session);
    // Whoever speaks the protocol himself waits for nobody.
    session.execProtocolRawSync = (message) => {
      if (this.#open === undefined) return execute(message);
      throw new FerryError('ERR_GUEST', 'the session is paused, or runs somewhere else by now');
    };
  }

  /**
   * Resolves when no query runs and none will start. ERR_GUEST if one, or a transaction of `db.transaction`, still does after `withinMs`: then everything goes on as
   * if it had not been asked.
   */
  async close(withinMs: number): Promise<void> {
    if (this.#open !== undefined) return;
    let leave = (): void => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const isIn = new Promise<void>((entered, failed) => {
      const wait = async (): Promise<void> => {
        entered();
        await left;
      };
      this.#session
        ._runExclusiveTransaction(() => this.#session._runExclusiveQuery(wait))
        .catch(failed);
    });
    try {
      await inTime(isIn, withinMs, () => tooLong(withinMs));
    } catch (error) {
      leave();
      throw error;
    }
    this.#open = leave;
  }

  open(): void {
    this.#open?.();
    this.#open = undefined;
  }
}

function tooLong(ms: number): FerryError {
  return new FerryError(
    'ERR_GUEST',
    `a query, or a transaction whose steps are JavaScript, did not end within ${ms} ms`,
  );
}
