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

/** A switchover that takes longer than this is not hurt by a thread that sleeps. */
const longestVigilMs = 50;

/** As `stayAwake`, but for a short time at most: a switchover may take long, be forced or stay in doubt for hours. */
export function keepVigil(clock: Clock): () => void {
  const sleepNow = clock.stayAwake();
  const cancel = clock.after(longestVigilMs, sleepNow);
  return () => {
    cancel();
    sleepNow();
  };
}

/** Resolves after `ms` of `clock`'s time. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
