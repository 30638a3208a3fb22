import type { Clock } from './clock.js';

/** How long a destination may take to greet, and to make room for what it is offered. */
const greetingTimeoutMs = 10_000;
const admissionTimeoutMs = 60_000;
/** How long an ABORT of the session may stay unanswered, and how long undoing a switchover may take. */
const abortedTimeoutMs = 1000;
const retreatTimeoutMs = 10_000;

/** How long the source waits for each answer. One timer at a time: each phase waits for one thing. */
export class SourceDeadlines {
  readonly #clock: Clock;
  readonly #giveUp: () => void;
  #doubtSince: number | undefined;
  #cancel: () => void = () => {};

  /** `giveUp` is called when an answer is not here in time. */
  constructor(clock: Clock, giveUp: () => void) {
    this.#clock = clock;
    this.#giveUp = giveUp;
  }

  awaitGreeting(): void {
    this.#set(greetingTimeoutMs);
  }

  awaitAdmission(): void {
    this.#set(admissionTimeoutMs);
  }

  /** READY is due in `ms`; that it is late does not end the migration. */
  awaitReady(ms: number, late: () => void): void {
    this.#set(ms, late);
  }

  awaitAborted(scope: 'session' | 'switchover'): void {
    this.#set(scope === 'session' ? abortedTimeoutMs : retreatTimeoutMs);
  }

  /** An outcome in doubt is waited for `ms` in all, counted from the first call. */
  awaitOutcome(ms: number): void {
    this.#doubtSince ??= this.#clock.now();
    this.#set(Math.max(0, ms - (this.#clock.now() - this.#doubtSince)));
  }

  cancel(): void {
    this.#cancel();
  }

  #set(ms: number, late: () => void = this.#giveUp): void {
    this.#cancel();
    this.#cancel = this.#clock.after(ms, late);
  }
}
