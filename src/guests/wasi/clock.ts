/** Nanoseconds of a clock that never runs backwards, counted from anywhere. */
export type MonotonicNow = () => bigint;

/** As the shim counts where it has nobody beside it. */
export const processNow: MonotonicNow = () => BigInt(Math.round(performance.now() * 1e6));

/** A program's monotonic clock. It goes on from where it stood in another process, whatever the clock there counted from. */
export class GuestClock {
  readonly #now: MonotonicNow;
  #ahead = 0n;

  constructor(now: MonotonicNow) {
    this.#now = now;
  }

  /** What the program reads, nanoseconds. */
  read(): bigint {
    return this.#now() + this.#ahead;
  }

  /** From now on it counts from `nanoseconds`. */
  set(nanoseconds: bigint): void {
    this.#ahead = nanoseconds - this.#now();
  }
}
