import type { Clock } from './clock.js';

/** How long peers' frames may keep the thread before everybody else has a turn, milliseconds. */
const longestMs = 5;

/**
 * Bounds how long what peers send keeps the thread, whatever they send and however many they are: handling frames, and carrying out long
 * ones, asks between steps. Those who have to wait go on one a turn. One for each clock.
 */
export class Turns {
  static readonly #all = new WeakMap<Clock, Turns>();
  readonly #clock: Clock;
  /** Since when this turn is used; undefined: not yet. */
  #since: number | undefined;
  readonly #waiting: (() => void)[] = [];

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static of(clock: Clock): Turns {
    const known = Turns.#all.get(clock);
    if (known !== undefined) return known;
    const made = new Turns(clock);
    Turns.#all.set(clock, made);
    return made;
  }

  /** Undefined: go on. Else wait. */
  breathe(): Promise<void> | undefined {
    if (this.#since === undefined) this.#begin();
    else if (this.#clock.now() - this.#since >= longestMs) {
      return new Promise((resolve) => this.#waiting.push(resolve));
    }
    return undefined;
  }

  #begin(): void {
    this.#since = this.#clock.now();
    this.#clock.turn().then(() => this.#turned());
  }

  #turned(): void {
    this.#since = undefined;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#begin();
    next();
  }
}
