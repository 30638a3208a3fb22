// Runs blocks of schedules in a thread of its own, one after the other as it is told them.
import { parentPort, workerData } from 'node:worker_threads';
import { ReusedMemory } from './memory-supply.js';
import { type Block, type BlockResult, runBlock } from './schedule-run.js';

/** What the thread is to do. */
export interface Work {
  readonly firstFault: boolean;
  /** u32: seed of the schedule under way; how many were begun. */
  readonly progress: SharedArrayBuffer;
}

/** What it says. */
export interface Done {
  readonly block: Block;
  readonly result: BlockResult;
}

const { firstFault, progress }: Work = workerData;
const words = new Uint32Array(progress);
const memory = new ReusedMemory();
memory.install();
parentPort?.on('message', async (block: Block) => {
  const result = await runBlock(block, {
    memory,
    firstFault,
    onSchedule(seed) {
      words[0] = seed;
      Atomics.add(words, 1, 1);
    },
    onEnd: () => memory.reuse(),
  });
  parentPort?.postMessage({ block, result } satisfies Done);
});
