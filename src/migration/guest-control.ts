import { asFerryError, type FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';

/**
 * Holds the source's guest: slows it down, pauses it, lets go of its outside resources, and undoes exactly what was done. Calls to the guest are made
 * one after the other whatever order they are asked for in.
 */
export class GuestControl {
  readonly #guest: Guest;
  #throttle = 0;
  #most = 0;
  #paused = false;
  #released = false;
  #stuck: FerryError | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** Takes `fraction`, 0 to 1, of the guest's speed away, until `fullSpeed`. */
  slow(fraction: number): void {
    this.#throttle = fraction;
    this.#most = Math.max(this.#most, fraction);
    this.#guest.throttle?.(fraction);
  }

  /** Nothing is taken away, until `slow` or `slowAgain`. */
  fullSpeed(): void {
    if (this.#throttle > 0) this.#guest.throttle?.(0);
  }

  /** As slow as it was before `fullSpeed`. */
  slowAgain(): void {
    if (this.#throttle > 0) this.#guest.throttle?.(this.#throttle);
  }

  /** The most that was taken of the guest's speed, 0 to 1. */
  get throttle(): number {
    return this.#most;
  }

  /** Resolves when no instruction runs. Rejects with ERR_GUEST, and the guest is not paused then. */
  pause(): Promise<void> {
    return this.#queue(async () => {
      this.#paused = true;
      await this.#guest.pause();
    });
  }

  /** As `pause`, where it is not paused already. */
  halt(): Promise<void> {
    return this.#queue(async () => {
      if (this.#paused) return;
      this.#paused = true;
      await this.#guest.pause();
    });
  }

  /** Lets go of outside resources, if the guest has any. */
  release(): Promise<void> {
    return this.#queue(async () => {
      if (!this.#paused || this.#guest.release === undefined) return;
      this.#released = true;
      await this.#guest.release();
    });
  }

  saveState(): Promise<Uint8Array> {
    return this.#queue(() => this.#guest.saveState());
  }

  /** The guest runs on here, with its outside resources. Does nothing if it was not paused, or where it may not: `may` resolves to false. */
  resume(may?: () => Promise<boolean> | undefined): Promise<void> {
    return this.#queue(async () => {
      if (this.#paused && (await may?.()) === false) return;
      try {
        if (this.#released) {
          await this.#guest.acquire?.();
          this.#released = false;
        }
        if (!this.#paused) return;
        await this.#guest.resume();
        this.#paused = false;
        this.#stuck = undefined;
      } catch (error) {
        this.#stuck = asFerryError(error, 'ERR_GUEST');
        throw this.#stuck;
      }
    });
  }

  /** Why the guest stands still although it was to run on; undefined if it does not. */
  get stuck(): FerryError | undefined {
    return this.#stuck;
  }

  /** Resolves when every call asked for so far has ended, well or badly. */
  idle(): Promise<void> {
    return this.#last;
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work).catch((error: unknown) => {
      throw asFerryError(error, 'ERR_GUEST');
    });
    this.#last = result.then(
      () => {},
      () => {},
    );
    return result;
  }
}
