import type { FerryError } from '../errors.js';

/** A moment that waits for its recorded outcome. What is settled before anybody waits is kept for who does. */
export class ReplayGate<T> {
  #outcome: { readonly value: T } | { readonly error: FerryError } | undefined;
  #waiting: (() => void) | undefined;

  async wait(): Promise<T> {
    while (this.#outcome === undefined) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    const outcome = this.#outcome;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  open(value: T): void {
    this.#outcome = { value };
    this.#waiting?.();
  }

  refuse(error: FerryError): void {
    this.#outcome = { error };
    this.#waiting?.();
  }

  /** Whoever comes from now on waits again. */
  shut(): void {
    this.#outcome = undefined;
  }
}
