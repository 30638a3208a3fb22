/** Time as the engine sees it. The simulation brings its own. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `callback` once after `ms`; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Resolves once everybody else who is waiting for this thread had a turn. */
  turn(): Promise<void>;
  /**
   * Keeps the thread from going to sleep until the returned function is called: being woken costs a fifth of a millisecond and more,
   * each time, while a guest stands still. Uses up the thread; for milliseconds, not for longer.
   */
  stayAwake(): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  stayAwake() {
    let awake = true;
    const again = (): void => {
      if (awake) setImmediate(again);
    };
    setImmediate(again);
    return () => {
      awake = false;
    };
  },
};

/** Resolves after `ms` of `clock`'s time. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
