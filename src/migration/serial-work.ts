/** Pieces of work, one after the other. `stop` ends the one under way, where it looks, and voids those that wait. */
export class SerialWork {
  readonly #failed: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();
  #epoch = 0;

  /** `failed` is told what a piece throws; those behind it go on. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  stop(): void {
    this.#epoch += 1;
  }

  /** Does `work` once everything before it is done. Its `live` says whether to go on: false from `stop` on. Resolves when it ended, or is void. */
  run(work: (live: () => boolean) => Promise<void>): Promise<void> {
    const epoch = this.#epoch;
    const live = (): boolean => this.#epoch === epoch;
    this.#last = this.#last.then(async () => {
      if (!live()) return;
      try {
        await work(live);
      } catch (error) {
        this.#failed(error);
      }
    });
    return this.#last;
  }
}
