/** What bench/busy-worker.ts is given. `control`: two words, as below. */
export interface BusyThread {
  readonly memory: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

/** Words of `control`. */
export const busyWord = {
  /** 1: works; 0: waits. */
  running: 0,
  /** Pieces done so far. */
  pieces: 1,
} as const;
