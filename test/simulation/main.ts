// npm run test:schedules -- [--count N] [--seed S] [--threads T] [--first-fault] [--json]
// Runs N migrations (default 10,000) and what befalls each: the schedules of seed S (default: any) and of those that follow. Says how many of them were
// distinct, their hash, and what they came to. `--seed S --count 1` runs one again and says what it is. Exit status 1 if one ended wrongly.
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { schedule } from './schedule.js';
import { type Block, type BlockResult, type Summary, summaryOf } from './schedule-run.js';
import type { Done, Work } from './worker.js';
import { simulate } from './world.js';

const seeds = 2 ** 32;
/** The hash does not depend on how many threads there are. */
const blockSchedules = 1000;
/** A schedule that is not done by then never will be: many times what is slow, for a busy machine. */
const hangMs = 60_000;
const tellEveryMs = 60_000;

const { values: options } = parseArgs({
  options: {
    count: { type: 'string' },
    seed: { type: 'string' },
    threads: { type: 'string' },
    'first-fault': { type: 'boolean' },
    json: { type: 'boolean' },
  },
});

function numberOf(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  console.error(`--${name} takes a whole number from ${least} to ${most}, not ${text}`);
  process.exit(2);
}

const count = numberOf('count', options.count ?? '10000', 1, seeds);
const seed = numberOf('seed', options.seed ?? `${randomInt(seeds)}`, 0, seeds - 1);
const threads = numberOf('threads', options.threads ?? `${availableParallelism()}`, 1, 1024);
const firstFault = options['first-fault'] === true;

const startedAt = performance.now();
const blocks: Block[] = [];
for (let at = 0; at < count; at += blockSchedules) {
  blocks.push({ first: (seed + at) >>> 0, count: Math.min(blockSchedules, count - at) });
}
const results: (BlockResult | undefined)[] = blocks.map(() => undefined);
let next = 0;
let done = 0;
const telling = setInterval(() => {
  const minutes = Math.round((performance.now() - startedAt) / 60_000);
  console.error(`${done} of ${count} schedules after ${minutes} min`);
}, tellEveryMs);
await Promise.all(Array.from({ length: Math.min(threads, blocks.length) }, runThread));
clearInterval(telling);
const summary = summaryOf(results.filter((result) => result !== undefined));
if (options.json === true) console.log(JSON.stringify({ seed, ...summary }));
else tell(summary);
if (count === 1) await tellOne();
if (summary.faults.length > 0) process.exitCode = 1;

/** One thread takes block after block until there is none, or nothing more is to be found. */
function runThread(): Promise<void> {
  const progress = new SharedArrayBuffer(8);
  const words = new Uint32Array(progress);
  const work: Work = { firstFault, progress };
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: work,
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  return new Promise((resolve, reject) => {
    let begun = 0;
    const watch = setInterval(() => {
      if (words[1] === begun) end(new Error(`seed ${words[0]}: no end after ${hangMs / 1000} s`));
      begun = words[1] ?? 0;
    }, hangMs);
    const end = (error?: Error): void => {
      clearInterval(watch);
      void worker.terminate();
      if (error === undefined) resolve();
      else reject(error);
    };
    const give = (): void => {
      const block = blocks[next++];
      if (block === undefined) end();
      else worker.postMessage(block);
    };
    worker.on('message', ({ block, result }: Done) => {
      results[blocks.findIndex(({ first }) => first === block.first)] = result;
      done += result.schedules;
      if (firstFault && result.faults.length > 0) next = blocks.length;
      give();
    });
    worker.on('error', (error: Error) => {
      end(new Error(`seed ${words[0]}: ${error.message}`, { cause: error }));
    });
    give();
  });
}

function tell({ schedules, distinct, hash, faults, counts }: Summary): void {
  const { user, system } = process.cpuUsage();
  console.log(`${schedules} schedules, ${distinct} distinct, hash ${hash}, seed ${seed}`);
  console.log(`${((user + system) / 1000 / schedules).toFixed(1)} ms of CPU each`);
  const shares = Object.entries(counts).map(([what, times]) => `${times} ${what}`);
  console.log(shares.join(', '));
  for (const { seed: faulty, what } of faults.slice(0, 20)) {
    console.error(`seed ${faulty}: ${what}`);
    console.error(`again: npm run test:schedules -- --count 1 --seed ${faulty}`);
  }
  console.log(`${faults.length} faults`);
}

async function tellOne(): Promise<void> {
  const scenario = schedule(seed);
  const { events, report, ...outcome } = await simulate(scenario);
  console.log(JSON.stringify(scenario, null, 2));
  console.log(JSON.stringify({ ...outcome, events: events.map(({ type }) => type) }, null, 2));
}
