import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSqlite } from '../src/guests/sqlite.js';
import { Checkpointer } from '../src/snapshot/checkpointer.js';
import { openStore } from '../src/snapshot/open-store.js';
import type { Checkpoint } from '../src/snapshot/types.js';
import { type Result, result } from './harness.js';
import { percentile } from './percentile.js';

const sizeMiB = 64;
const transactionsPerSecond = 100;
const everyMs = 200;
const checkpoints = 60;
/** Until its memory has grown to what it becomes. */
const warmUps = 20;

/** A SQLite of 64 MiB that makes 100 transactions a second, stored five times a second: how long it stands still, and what that takes. */
export async function* checkpointPauses(folder: string): AsyncGenerator<Result> {
  const guest = await createSqlite({ sizeMiB, seed: 7, transactionsPerSecond });
  await guest.resume();
  const store = await openStore(join(folder, 'checkpoints'), { create: true });
  const checkpointer = new Checkpointer(store, guest);
  const taken: Checkpoint[] = [];
  try {
    for (let count = 0; count < warmUps + checkpoints; count += 1) {
      await sleep(everyMs);
      const checkpoint = await checkpointer.take();
      if (count >= warmUps) taken.push(checkpoint);
    }
  } finally {
    await checkpointer.close();
    await guest.pause();
    await store.close();
  }
  const pauses = taken.map(({ pauseMs }) => pauseMs);
  const bytes = taken.map(({ counts }) => counts.storedBytes);
  const whole = sizeMiB * 2 ** 20;
  yield result('snapshot/checkpoint-pause', 'ms', 'lower', percentile(pauses, 0.5), {});
  yield result('snapshot/checkpoint-pause-p99', 'ms', 'lower', percentile(pauses, 0.99), {});
  yield result('snapshot/checkpoint-bytes', 'bytes', 'lower', percentile(bytes, 0.5), {
    'all of it': whole,
  });
}
