/** Time as the engine sees it. The simulation brings its own. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `callback` once after `ms`; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Resolves once everybody else who is waiting for this thread had a turn. */
  turn(): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    // Of what is due already Node 24 would warn on stderr.
    const timer = setTimeout(callback, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Resolves after `ms` of `clock`'s time. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
