import { FerryError } from '../../errors.js';

/**
 * Lets calls into a program while it may run. A call that was let in ends before the gate is closed: between two calls nothing of the program
 * is on a stack, so its memory and its registers are all there is.
 */
export class CallGate {
  #isClosed = false;
  #isClosing = false;
  #inFlight = 0;
  #waiting: (() => void)[] = [];
  #idle: (() => void)[] = [];

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Calls that were let in and have not ended. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Does the work once the gate is open, and keeps it from being closed until the work is done. What runs inside calls the program at once: another
   * `run` in there would wait for the gate that waits for it.
   */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    while (this.#isClosed || this.#isClosing) {
      await new Promise<void>((opened) => {
        this.#waiting.push(opened);
      });
    }
    this.#inFlight += 1;
    try {
      return await work();
    } finally {
      this.#ended();
    }
  }

  /** A call of one function: it throws ERR_GUEST if the gate is closed. One that gives a promise is in flight until that is settled. */
  call<T>(work: () => T): T {
    if (this.#isClosed) {
      throw new FerryError('ERR_GUEST', 'the program is paused, or runs somewhere else by now');
    }
    this.#inFlight += 1;
    let result: T;
    try {
      result = work();
    } catch (error) {
      this.#ended();
      throw error;
    }
    if (!isThenable(result)) {
      this.#ended();
      return result;
    }
    const ended = (): void => this.#ended();
    result.then(ended, ended);
    return result;
  }

  #ended(): void {
    this.#inFlight -= 1;
    if (this.#inFlight > 0) return;
    for (const idle of this.#idle.splice(0)) idle();
  }

  /**
   * Lets nobody in any more, and resolves when nobody is in. ERR_GUEST, and the gate is open again, if somebody still is after `withinMs`. What is in
   * may go on calling.
   */
  async close(withinMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosing = true;
    const until = performance.now() + withinMs;
    // Whoever is told of the last call's end may have begun another one by the time we are.
    while (this.#inFlight > 0) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) {
        const calls = this.#inFlight;
        this.open();
        throw new FerryError('ERR_GUEST', `${calls} calls did not end within ${withinMs} ms`);
      }
      await this.#becomesIdle(leftMs);
    }
    this.#isClosing = false;
    this.#isClosed = true;
  }

  #becomesIdle(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.ceil(withinMs));
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Lets calls in, but nobody who waits for `open`: for what has to be done before all else. */
  openForCalls(): void {
    this.#isClosed = false;
    this.#isClosing = true;
  }

  /** Closed from now on, whoever is in. */
  shut(): void {
    this.#isClosed = true;
    this.#isClosing = false;
  }

  /** Everybody may come in, those first that waited. */
  open(): void {
    this.#isClosed = false;
    this.#isClosing = false;
    for (const opened of this.#waiting.splice(0)) opened();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
