import { startThread, type Thread } from '../guests/worker-thread.js';
import { cell, cells, type KeeperSetup, nowUs } from './keeper-thread.js';
import type { Renewal } from './renewal.js';

export interface KeeperOptions {
  /** How long the guest's event loop may stand still while its lease is renewed all the same, milliseconds, 10 to 600,000. Default: as long as a lease lasts. */
  readonly hangMs?: number;
}

/** A turn of the guest's loop is noted so often in a lease's time. */
const beats = 20;
/** Of a lease's time: how long it takes to begin. */
const idleShare = 0.2;

/**
 * A thread beside that of a guest. It renews the lease as long as the guest's event loop turns, and kills the process where the guest may still run, and somebody else may have it by now: its own thread should
 * have stopped it, and hangs.
 */
export class Keeper {
  readonly #state: BigInt64Array;
  #thread: Thread<Renewal> | undefined;
  readonly #start: NodeJS.Timeout;
  readonly #beat: NodeJS.Timeout;
  /** From `performance.now()` of this thread to the machine's clock, milliseconds. */
  readonly #offsetMs = Number(nowUs()) / 1000 - performance.now();
  #isRenewing = false;

  /** `lost`: the lease it renewed has run out, or is another's. */
  constructor(ttlMs: number, { hangMs = ttlMs }: KeeperOptions, lost: () => void) {
    const shared = new SharedArrayBuffer(cells * BigInt64Array.BYTES_PER_ELEMENT);
    this.#state = new BigInt64Array(shared);
    const beat = (): void => void Atomics.store(this.#state, cell.beat, nowUs());
    beat();
    this.#beat = setInterval(beat, Math.max(1, ttlMs / beats)).unref();
    const setup: KeeperSetup = { shared, ttlMs, hangMs };
    const program = new URL('../threads/lease-worker.js', import.meta.url);
    const heard = (): void => {
      this.#isRenewing = false;
      lost();
    };
    // Then the guest's own thread renews, as it would without.
    const gone = (): void => {
      this.#isRenewing = false;
      this.#thread = undefined;
    };
    // Not beside a takeover: the lease has only begun.
    this.#start = setTimeout(() => {
      this.#thread = startThread<KeeperSetup, Renewal, 'lost'>(
        { program, name: 'pageferry lease', isAwaited: false },
        ...[setup, heard, gone],
      );
    }, ttlMs * idleShare).unref();
  }

  /** It has a lease to renew. */
  get isRenewing(): boolean {
    return this.#isRenewing;
  }

  /** When the last renewal that was confirmed had been asked for, of `performance.now()`; long ago: none was. */
  get renewedAt(): number {
    return Number(Atomics.load(this.#state, cell.renewed)) / 1000 - this.#offsetMs;
  }

  /** From now on it renews this one, if it has begun. */
  renew(renewal: Renewal): void {
    if (this.#thread === undefined) return;
    this.#isRenewing = true;
    this.#thread.tell(renewal);
  }

  /** `isArmed`: the guest may run, and somebody else could have it. `until`: of `performance.now()`, when it has to stand still. */
  guard(isArmed: boolean, until: number): void {
    const us = Number.isFinite(until) ? Math.round((until + this.#offsetMs) * 1000) : 0;
    Atomics.store(this.#state, cell.until, BigInt(us));
    Atomics.store(this.#state, cell.armed, isArmed ? 1n : 0n);
  }

  /** Nothing is renewed, and nobody killed, any more. */
  async stop(): Promise<void> {
    this.guard(false, 0);
    clearInterval(this.#beat);
    clearTimeout(this.#start);
    await this.#thread?.close();
  }
}
