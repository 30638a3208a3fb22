import type { Clock } from '../../src/migration/clock.js';
import { turnMs, type VirtualClock } from './virtual-clock.js';

/** What time is to one process: nothing happens in it any more once it has died. */
export class SimProcess implements Clock {
  readonly #clock: VirtualClock;
  readonly #lateMs: number;
  #isAlive = true;

  /** `lateMs`: its timers are starved and fire so much later than they should. */
  constructor(clock: VirtualClock, lateMs = 0) {
    this.#clock = clock;
    this.#lateMs = lateMs;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  die(): void {
    this.#isAlive = false;
  }

  now(): number {
    return this.#clock.now();
  }

  after(ms: number, callback: () => void): () => void {
    return this.#clock.after(ms + this.#lateMs, () => {
      if (this.#isAlive) callback();
    });
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(turnMs, () => {
        if (this.#isAlive) resolve();
      });
    });
  }
}
