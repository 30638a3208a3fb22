/**
 * Orders what many standbys of one process do after a host died: given to all of them, it lets so many be promoted at a time, those of higher `priority` first.
 */
export class PromotionQueue {
  readonly #atOnce: number;
  readonly #waiting: { readonly priority: number; readonly go: () => void }[] = [];
  #going = 0;

  /** `atOnce`: promotions at a time, 1 to 1000. Default 1. */
  constructor(atOnce = 1) {
    if (!(Number.isInteger(atOnce) && atOnce >= 1 && atOnce <= 1000)) {
      throw new RangeError(`atOnce must be 1 to 1000, got ${atOnce}`);
    }
    this.#atOnce = atOnce;
  }

  /** Resolves when it is the turn of one with `priority`; what it resolves to ends the turn. */
  async take(priority: number): Promise<() => void> {
    const turn = new Promise<void>((go) => {
      const after = this.#waiting.findIndex((each) => each.priority < priority);
      this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, { priority, go });
    });
    // Whoever else hears of it in the same moment comes in by priority.
    setImmediate(() => this.#next());
    await turn;
    return () => {
      this.#going -= 1;
      this.#next();
    };
  }

  #next(): void {
    while (this.#going < this.#atOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#going += 1;
      next.go();
    }
  }
}
