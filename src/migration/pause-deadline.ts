import type { Clock } from './clock.js';

/** A pause may overrun its limit by this factor before it is given back. */
const overrunFactor = 1.5;

/** The moment by which READY must be here, or the pause is given back. */
export class PauseDeadline {
  readonly #clock: Clock;
  #at: number | undefined;
  #cancel: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The pause begins, and `maxDowntimeMs` are its limit; behind COMMIT it will last `wayToRunningMs` more. `missed` is called when
   * the moment is over.
   */
  begin(maxDowntimeMs: number, wayToRunningMs: number, missed: () => void): void {
    const ms = maxDowntimeMs * overrunFactor - wayToRunningMs;
    this.#at = this.#clock.now() + ms;
    this.#cancel = this.#clock.after(ms, missed);
  }

  /** Whether it will be over in `ms`, by the clock: a timer may fire late. */
  isMissedIn(ms: number): boolean {
    return this.#at !== undefined && this.#clock.now() + ms >= this.#at;
  }

  /** READY is here, or the pause is given back. */
  cancel(): void {
    this.#at = undefined;
    this.#cancel();
  }
}
