/** However many messages of hashes there are, so many are compared or wait for it at a time. */
const mostUnderWay = 64;

/**
 * Counts the messages of hashes whose comparison is under way: where threads know our own hashes that takes time, and a destination that says more
 * meanwhile is not read on.
 */
export class Comparisons {
  #underWay = 0;
  #room: Promise<void> | undefined;
  #hasRoom: () => void = () => {};

  /** What is waited for before another message is read; undefined where nothing is. */
  get room(): Promise<void> | undefined {
    if (this.#underWay < mostUnderWay) return undefined;
    this.#room ??= new Promise((resolve) => {
      this.#hasRoom = resolve;
    });
    return this.#room;
  }

  /** `comparison` never rejects. */
  add(comparison: Promise<void>): void {
    this.#underWay += 1;
    comparison.then(() => {
      this.#underWay -= 1;
      if (this.#room === undefined || this.#underWay >= mostUnderWay) return;
      this.#room = undefined;
      this.#hasRoom();
    });
  }
}
