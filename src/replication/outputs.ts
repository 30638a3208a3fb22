import type { FerryError } from '../errors.js';

interface Output {
  /** The epoch it belongs to; undefined: one that is not cut yet. */
  epoch: number | undefined;
  readonly leave: () => void;
  readonly refuse: (error: FerryError) => void;
}

/** What waits for its epoch to be where it has to be. */
export class Outputs {
  #waiting: Output[] = [];
  #error: FerryError | undefined;

  /** Resolves when what was done so far may be told of; rejects with why it never may. */
  wait(): Promise<void> {
    return new Promise((leave, refuse) => {
      if (this.#error !== undefined) refuse(this.#error);
      else this.#waiting.push({ epoch: undefined, leave, refuse });
    });
  }

  /** Something waits for an epoch to be cut. */
  get wantsEpoch(): boolean {
    return this.#waiting.some(({ epoch }) => epoch === undefined);
  }

  /** What waited before it was cut belongs to `epoch`. `before`: what waits by now. */
  belong(before: ReadonlySet<Output>, epoch: number): void {
    for (const output of before) output.epoch ??= epoch;
  }

  /** What waits by now. */
  get all(): ReadonlySet<Output> {
    return new Set(this.#waiting);
  }

  /** Everything up to `epoch` may leave. */
  release(epoch: number): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((output) => output.epoch === undefined || output.epoch > epoch);
    for (const output of waiting) {
      if (output.epoch !== undefined && output.epoch <= epoch) output.leave();
    }
  }

  /** Nothing leaves any more, for ever. */
  refuse(error: FerryError): void {
    this.#error ??= error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const output of waiting) output.refuse(error);
  }
}
