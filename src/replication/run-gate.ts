import type { Guest } from '../guests/guest.js';

/** Lets the guest run, or holds it, as its reasons say: calls to it are made one after the other. */
export class RunGate {
  readonly #guest: Guest;
  /** Whether it may run at all, now. */
  readonly #mayRun: () => boolean;
  readonly #changed: () => void;
  #isHeld = false;
  #isRunning = false;
  #last: Promise<void> = Promise.resolve();

  /** `changed`: before it runs, and when it stands still. */
  constructor(guest: Guest, mayRun: () => boolean, changed: () => void) {
    this.#guest = guest;
    this.#mayRun = mayRun;
    this.#changed = changed;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Resolves when it stands still, until `letGo`. Rejects with what its `pause` rejects with. */
  hold(): Promise<void> {
    this.#isHeld = true;
    return this.settle();
  }

  letGo(): Promise<void> {
    this.#isHeld = false;
    return this.settle();
  }

  /** Resolves when it does what it may. */
  settle(): Promise<void> {
    const settled = this.#last.then(() => this.#settle());
    this.#last = settled.catch(() => {});
    return settled;
  }

  async #settle(): Promise<void> {
    const shallRun = !this.#isHeld && this.#mayRun();
    if (shallRun === this.#isRunning) return;
    if (shallRun) {
      // Said before: what may have begun to run runs.
      this.#isRunning = true;
      this.#changed();
      try {
        await this.#guest.resume();
      } catch (error) {
        this.#isRunning = false;
        throw error;
      }
    } else {
      // Set before: what cannot be paused is not said to stand still.
      await this.#guest.pause();
      this.#isRunning = false;
      this.#changed();
    }
  }
}
