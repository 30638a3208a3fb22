/** What is kept of the time from a cut to its acknowledgement, from one to the next: it falls slower than it rises. */
const kept = 0.9;

/** How far what standbys have is behind the guest, and how often epochs have to be cut for that to stay small enough. Times are of this process's monotone clock. */
export class Lag {
  /** Until when the guest was as each epoch has it. */
  readonly #asOf = new Map<number, number>();
  #answerMs = 0;

  /** At `at` the guest was still as `epoch` has it. What is older than `held`, which all in sync have, is forgotten. */
  was(epoch: number, at: number, held: number): void {
    this.#asOf.set(epoch, at);
    for (const each of this.#asOf.keys()) if (each < held) this.#asOf.delete(each);
  }

  /** A member has `epoch`, since `now`. */
  acknowledged(epoch: number, now: number): void {
    const tookMs = now - (this.#asOf.get(epoch) ?? now);
    this.#answerMs = Math.max(tookMs, kept * this.#answerMs);
  }

  /** Milliseconds of what the guest did since `epoch`, at `now`, at most. Undefined where that is not known. */
  since(epoch: number, now: number): number | undefined {
    const at = this.#asOf.get(epoch);
    return at === undefined ? undefined : now - at;
  }

  /** The longest interval with which no more than `targetMs` may be lost: from the cut of one epoch until the next one is acknowledged. At least a millisecond. */
  intervalFor(targetMs: number): number {
    return Math.max(1, targetMs - this.#answerMs);
  }
}
