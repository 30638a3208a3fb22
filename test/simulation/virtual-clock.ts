import type { Clock } from '../../src/migration/clock.js';

interface Task {
  readonly at: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** How long everybody else takes when somebody gives way, virtual milliseconds. */
export const turnMs = 0.01;
/** Tasks for each look at what the real world has: none of it is in a simulation, and each look costs more than a task. */
const tasksTogether = 64;

/** Time that passes only when everything due has been done: whole migrations in a few real milliseconds, the same every time. */
export class VirtualClock implements Clock {
  #now = 0;
  #tasks: Task[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const task: Task = { at: this.#now + Math.max(0, ms), run: callback, cancelled: false };
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

  /**
   * Runs tasks in order of time until `done` says so, nothing is left or `untilMs` is reached. `check` is called after each, and again once every promise
   * that can go on went on: Node sees to that between two immediates.
   */
  run(untilMs: number, done: () => boolean, check: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const step = (): void => {
        if (isOver) return;
        try {
          check();
          isOver = done() || !this.#runNext(untilMs);
          if (isOver) resolve();
          else check();
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      const batch = (): void => {
        if (isOver) return;
        for (let task = 0; task < tasksTogether; task++) setImmediate(step);
        setImmediate(batch);
      };
      setImmediate(batch);
    });
  }

  /** False: none is left, or none before `untilMs`, which then stays. */
  #runNext(untilMs: number): boolean {
    let task = this.#tasks.shift();
    while (task?.cancelled === true) task = this.#tasks.shift();
    if (task === undefined) return false;
    if (task.at > untilMs) {
      this.#tasks.unshift(task);
      return false;
    }
    this.#now = task.at;
    task.run();
    return true;
  }
}
