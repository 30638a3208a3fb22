import type { Clock } from './clock.js';

/** The longest the engine keeps the thread before it lets others have a turn, milliseconds. */
const longestSliceMs = 2;
const shortestSliceMs = 0.2;
const smoothing = 0.1;

/**
 * Shares one thread between the engine and everybody else on it. The engine works in slices; while others use the thread, its
 * slices shrink until it takes no more than `share` of the time; while nobody does, it goes on at once.
 */
export class Slices {
  readonly #clock: Clock;
  readonly #share: number;
  #allowanceMs = longestSliceMs;
  #givenMs = 0;
  #got = 1;
  #startedAt: number;

  constructor(clock: Clock, share: number) {
    this.#clock = clock;
    this.#share = share;
    this.#startedAt = clock.now();
  }

  /** Milliseconds that others had so far. */
  get givenMs(): number {
    return this.#givenMs;
  }

  /** Of the time of the last slices and what was given between them, what the engine got: above 0, at most 1. */
  get got(): number {
    return this.#got;
  }

  /** Gives way if this slice is used up. Call between small pieces of work. */
  async breathe(): Promise<void> {
    const leftAt = this.#clock.now();
    const workedMs = leftAt - this.#startedAt;
    if (workedMs < this.#allowanceMs) return;
    await this.#clock.turn();
    let backAt = this.#clock.now();
    // What we took beyond our share is given back in further turns, as long as somebody takes them.
    const owedMs = this.#share >= 1 ? 0 : (workedMs * (1 - this.#share)) / this.#share;
    let othersMs = backAt - leftAt;
    for (let lastMs = othersMs; lastMs > shortestSliceMs && othersMs < owedMs; ) {
      const turnedAt = backAt;
      await this.#clock.turn();
      backAt = this.#clock.now();
      lastMs = backAt - turnedAt;
      othersMs += lastMs;
    }
    this.#givenMs += othersMs;
    this.#got += smoothing * (workedMs / (workedMs + othersMs) - this.#got);
    const fairMs = this.#share >= 1 ? longestSliceMs : (othersMs * this.#share) / (1 - this.#share);
    const busy = othersMs > shortestSliceMs;
    this.#allowanceMs = busy
      ? Math.min(longestSliceMs, Math.max(shortestSliceMs, fairMs))
      : longestSliceMs;
    this.#startedAt = backAt;
  }
}
