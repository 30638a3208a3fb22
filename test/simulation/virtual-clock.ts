import type { Clock } from '../../src/migration/clock.js';

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** How long everybody else takes when somebody gives way, virtual milliseconds. */
const turnMs = 0.01;

/** Time that passes only when everything due has been done: whole migrations in a few real milliseconds, the same every time. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #tasks: Task[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const task: Task = {
      at: this.#now + Math.max(0, ms),
      order: this.#order++,
      run: callback,
      cancelled: false,
    };
    let at = this.#tasks.length;
    // Kept sorted: the list is short and most tasks are the latest.
    while (at > 0 && (this.#tasks[at - 1]?.at ?? 0) > task.at) at -= 1;
    this.#tasks.splice(at, 0, task);
    return () => {
      task.cancelled = true;
    };
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.after(turnMs, resolve));
  }

  /** Runs tasks in order of time until `done` says so, nothing is left or `untilMs` is reached. `check` is called after each. */
  async run(untilMs: number, done: () => boolean, check: () => void): Promise<void> {
    await settle();
    while (!done()) {
      const task = this.#tasks.shift();
      if (task === undefined || task.at > untilMs) return;
      if (task.cancelled) continue;
      this.#now = task.at;
      task.run();
      check();
      await settle();
      check();
    }
  }
}

/** Lets every promise that can go on go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
