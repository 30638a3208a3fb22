import type { MarksLayout } from '../src/index.js';

/** What bench/busy-worker.ts is given. `control`: two words, as below. */
export interface BusyThread {
  readonly memory: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

/** What bench/busy-engine-worker.ts is given. */
export interface BusyEngine {
  readonly memory: SharedArrayBuffer;
}

/** What it says. */
export type EngineNews =
  | { readonly says: 'marks'; readonly marks: MarksLayout }
  | { readonly says: 'stop' | 'moved' };

/** Words of `control`. */
export const busyWord = {
  /** 1: works; 0: waits. */
  running: 0,
  /** Pieces done so far. */
  pieces: 1,
} as const;
