import type { Clock } from '../../src/migration/clock.js';

/** Time that passes when it is told to; what was to be done by then is done in order. */
export class HandClock implements Clock {
  #now = 0;
  #tasks: { readonly at: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const task = { at: this.#now + ms, run };
    this.#tasks.push(task);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
    };
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets `ms` milliseconds pass; `between` is waited for behind everything that is done meanwhile. */
  async pass(ms: number, between: () => Promise<void>): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const due = this.#tasks.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#tasks = this.#tasks.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
      await between();
    }
    this.#now = until;
  }
}
