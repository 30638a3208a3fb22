import { FerryError } from '../../errors.js';
import { inTime } from '../in-time.js';
import type { PgliteInsides } from './types.js';

/**
 * Holds a session between two of its queries: those that are asked for meanwhile wait, as they would for one that takes long. Once it is gone from here they are rejected,
 * whether they waited or come later.
 */
export class QueryGate {
  readonly #exclusively: PgliteInsides['_runExclusiveTransaction'];
  #open: (() => void) | undefined;
  #isGone = false;

  constructor(session: PgliteInsides) {
    const execute = session.execProtocolRawSync.bind(session);
    // Whoever speaks the protocol himself waits for nobody.
    session.execProtocolRawSync = (message) => {
      if (this.#open === undefined && !this.#isGone) return execute(message);
      throw new FerryError('ERR_GUEST', 'the session is paused, or runs somewhere else by now');
    };
    const transaction = session._runExclusiveTransaction.bind(session);
    const query = session._runExclusiveQuery.bind(session);
    this.#exclusively = (work) => transaction(() => query(work));
    session._runExclusiveTransaction = (work) => transaction(() => this.#unlessGone(work));
    session._runExclusiveQuery = (work) => query(() => this.#unlessGone(work));
  }

  async #unlessGone<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isGone) return work();
    throw new FerryError(
      'ERR_GUEST',
      'the session was handed over: what is asked of it has to be asked where it runs now',
    );
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
      this.#exclusively(wait).catch(failed);
    });
    try {
      await inTime(isIn, withinMs, () => tooLong(withinMs));
    } catch (error) {
      leave();
      throw error;
    }
    this.#open = leave;
    this.#isGone = false;
  }

  /** The session is gone from here, until the gate is closed again to wait for one. */
  leave(): void {
    this.#isGone = true;
    this.#open?.();
    this.#open = undefined;
  }

  open(): void {
    this.#open?.();
    this.#open = undefined;
    this.#isGone = false;
  }
}

function tooLong(ms: number): FerryError {
  return new FerryError(
    'ERR_GUEST',
    `a query, or a transaction whose steps are JavaScript, did not end within ${ms} ms`,
  );
}
