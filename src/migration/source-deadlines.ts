import type { Guest } from '../guests/guest.js';
import type { Clock } from './clock.js';
import type { ResolvedOptions } from './options.js';

export interface SourceDeadlinesDeps {
  readonly clock: Clock;
  readonly options: ResolvedOptions;
  readonly guest: Guest;
  /** An answer is not here in time. */
  readonly giveUp: () => void;
  /** READY is not here in time while the guest stands still: the pause is to be given back. */
  readonly giveBack: () => void;
}

/** How long a destination may take to greet, and to make room for what it is offered. */
const greetingTimeoutMs = 10_000;
const admissionTimeoutMs = 60_000;
/** How long an ABORT of the session may stay unanswered, and how long undoing a switchover may take. */
const abortedTimeoutMs = 1000;
const retreatTimeoutMs = 10_000;
/** What reading an image back or syncing it may take where no pause limits it: this, and what a disk of 4 MB/s needs. */
const diskTimeoutMs = 60_000;
const diskMsPerPage = 1;
/** Timers end here. */
const longestMs = 2 ** 31 - 1;

/** How long the source waits for each answer. One timer at a time: each phase waits for one thing. */
export class SourceDeadlines {
  readonly #deps: SourceDeadlinesDeps;
  #doubtSince: number | undefined;
  #cancel: () => void = () => {};

  constructor(deps: SourceDeadlinesDeps) {
    this.#deps = deps;
  }

  awaitGreeting(): void {
    this.#set(greetingTimeoutMs);
  }

  awaitAdmission(): void {
    this.#set(admissionTimeoutMs);
  }

  /** The destination reads what it held before, and tells of it piece by piece: each may take as long as a slow disk does. */
  awaitHeld(): void {
    this.#set(diskTimeoutMs);
  }

  /** PREPARE left. A pause that was not forced has its limit; else a destination may take as long as it can need for `pages`. */
  awaitReady(pages: number, forced: boolean): void {
    const { guest, options, giveBack } = this.#deps;
    const isPaused = (guest.motion ?? 'pausable') === 'pausable';
    if (isPaused && !forced) this.#set(options.switchoverTimeoutMs, giveBack);
    else this.#awaitDisk(pages);
  }

  /** COMMIT left. What is handed over is waited for without end: only an answer or an operator decides. A copy has at least as long as its outcome would be asked for. */
  awaitRunning(pages: number): void {
    this.#cancel();
    if (this.#isCopied) this.#awaitDisk(pages, this.#deps.options.outcomeTimeoutMs);
  }

  awaitAborted(scope: 'session' | 'switchover'): void {
    this.#set(scope === 'session' ? abortedTimeoutMs : retreatTimeoutMs);
  }

  /** The connection was lost `sinceMs` ago, and is being made again. */
  awaitReturn(sinceMs: number): void {
    this.#set(Math.max(0, this.#deps.options.maxOutageMs - sinceMs));
  }

  /** How COMMIT ended is in doubt. For what is only copied, or `isOwned` there for sure, it is asked for `outcomeTimeoutMs`, from the first call on. */
  awaitOutcome(isOwned = false): void {
    if (!this.#isCopied && !isOwned) return;
    const { clock, options } = this.#deps;
    this.#doubtSince ??= clock.now();
    this.#set(Math.max(0, options.outcomeTimeoutMs - (clock.now() - this.#doubtSince)));
  }

  cancel(): void {
    this.#cancel();
  }

  get #isCopied(): boolean {
    return this.#deps.guest.handsOver === false;
  }

  #awaitDisk(pages: number, leastMs = 0): void {
    this.#set(Math.min(longestMs, Math.max(leastMs, diskTimeoutMs + pages * diskMsPerPage)));
  }

  #set(ms: number, late: () => void = this.#deps.giveUp): void {
    this.#cancel();
    this.#cancel = this.#deps.clock.after(ms, late);
  }
}
