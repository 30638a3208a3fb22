// Compiles crowd.ts, and runs its threads: workers that stop at a barrier when they are asked to.
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import asc from 'assemblyscript/asc';

export const memoryLimits = { initial: 64, maximum: 96, shared: true };

/** The bytes of the program, which imports its memory. */
export async function compileCrowd() {
  const source = await readFile(new URL('crowd.ts', import.meta.url), 'utf8');
  const { error, stderr, binary } = await asc.compileString(source, {
    optimizeLevel: 3,
    runtime: 'stub',
    noAssert: true,
    importMemory: true,
    sharedMemory: true,
    enable: ['threads'],
    initialMemory: memoryLimits.initial,
    maximumMemory: memoryLimits.maximum,
  });
  if (error) throw new Error(`crowd.ts: ${error.message}\n${stderr}`);
  return binary;
}

/** Places in the words of the barrier: whether it is closed, and how many threads stand at it. */
const closed = 0;
const standing = 1;

/**
 * Starts `count` threads that work in `memory`, each with an instance of `module` of its own; they begin at the barrier, closed. `mapName`: the
 * export in which an instance notes what it writes, if there is one.
 */
export async function startThreads({ module, memory, count, mapName }) {
  const words = new Int32Array(new SharedArrayBuffer(8));
  Atomics.store(words, closed, 1);
  const workers = Array.from({ length: count }, (_, thread) => {
    const workerData = { module, memory, words, closed, standing, thread, mapName };
    return new Worker(new URL('crowd-worker.mjs', import.meta.url), { workerData });
  });
  const started = workers.map(
    (worker) => new Promise((map, fail) => worker.once('message', map).once('error', fail)),
  );
  const maps = (await Promise.all(started)).filter((map) => map !== null);
  return {
    barrier: {
      async enter() {
        Atomics.store(words, closed, 1);
        Atomics.notify(words, closed);
        for (let there = 0; there < count; there = Atomics.load(words, standing)) {
          await Atomics.waitAsync(words, standing, there).value;
        }
      },
      leave() {
        Atomics.store(words, closed, 0);
        Atomics.notify(words, closed);
      },
      ...(mapName !== undefined && { maps: () => maps }),
    },
    end: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
