import type { Running } from '../protocol/messages.js';
import type { Clock } from './clock.js';
import type { Downtime } from './events.js';

type Mark = 'paused' | 'pages-sent' | 'prepared' | 'committed' | 'ran-on' | 'running';

/** A stopwatch over one switchover. */
export class PauseTimer {
  readonly #clock: Clock;
  readonly startedAt: number;
  readonly #marks = new Map<Mark, number>();

  /** Starts now: call just before the guest is asked to pause. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.startedAt = clock.now();
  }

  get elapsedMs(): number {
    return this.#clock.now() - this.startedAt;
  }

  /** Notes the moment, this one unless `at` says when it was; the first one counts: COMMIT may be sent again. */
  mark(mark: Mark, at: number = this.#clock.now()): void {
    if (!this.#marks.has(mark)) this.#marks.set(mark, at);
  }

  /** The finished account: until what is only copied ran on here, else until `running` was read. */
  account(running: Running): Downtime {
    const end = this.#marks.get('ran-on') ?? this.#marks.get('running') ?? this.#clock.now();
    const committed = this.#marks.get('committed') ?? end;
    const prepared = this.#marks.get('prepared') ?? committed;
    const sent = this.#marks.get('pages-sent') ?? prepared;
    const paused = this.#marks.get('paused') ?? sent;
    return {
      totalMs: end - this.startedAt,
      pauseMs: paused - this.startedAt,
      lastRoundMs: sent - paused,
      stateMs: prepared - sent,
      verifyMs: committed - prepared,
      commitMs: end - committed,
      destination: {
        verifyMs: running.verifyMs,
        loadMs: running.loadMs,
        acquireMs: running.acquireMs,
        resumeMs: running.resumeMs,
      },
    };
  }
}
