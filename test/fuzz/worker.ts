// Tries the inputs of one target in a thread of its own, so that one that never ends can be told of.
import { parentPort, workerData } from 'node:worker_threads';
import { fuzz, type RunResult } from './run.js';
import { targetNamed } from './targets.js';

/** What the thread is to do. */
export interface Work {
  readonly target: string;
  readonly seed: number;
  readonly count?: number;
  readonly forMs?: number;
  /** u32: seed of the input under way; how many were begun. */
  readonly progress: SharedArrayBuffer;
}

const { target, progress, ...options }: Work = workerData;
const words = new Uint32Array(progress);
const result: RunResult = await fuzz(targetNamed(target), {
  ...options,
  onInput(seed) {
    words[0] = seed;
    Atomics.add(words, 1, 1);
  },
});
parentPort?.postMessage(result);
