// npm run test:fuzz -- [--minutes N | --count N] [--seed S] [--only TARGET]...
// Tries inputs of every target for N minutes in all (default 2), or N inputs of each, from seed S on (default: any). `--only TARGET --seed S
// --count 1` tries one again. A finding is told of, its smallest input kept in test/fuzz/regressions/, and the exit status 1.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { randomOf } from '../reference/random.js';
import { keepRegression } from './regressions.js';
import { type Finding, growthBytes, type RunResult } from './run.js';
import type { Target } from './target.js';
import { targetNamed, targets } from './targets.js';
import type { Work } from './worker.js';

/** An input that is not done by then never will be: many times what is slow, for a busy machine. */
const hangMs = 20_000;
const seeds = 2 ** 32;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});

function numberOf(name: string, text: string, most: number): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= most) return value;
  console.error(`--${name} takes a number from 0 to ${most}, not ${text}`);
  process.exit(2);
}

function chosen(): readonly Target[] {
  try {
    return options.only?.map(targetNamed) ?? targets;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

const list = chosen();
const seed = numberOf('seed', options.seed ?? `${randomInt(seeds)}`, seeds - 1);
const minutes = numberOf('minutes', options.minutes ?? '2', 60 * 24 * 7);
const limit =
  options.count === undefined
    ? { forMs: (minutes * 60_000) / list.length }
    : { count: numberOf('count', options.count, seeds) };

console.log(`seed ${seed}`);
for (const target of list) tell(target, await inThread(target));

/** Runs one target; what never ends, or kills its thread, becomes a finding too. */
function inThread(target: Target): Promise<RunResult> {
  const progress = new SharedArrayBuffer(8);
  const words = new Uint32Array(progress);
  const work: Work = { target: target.name, seed, progress, ...limit };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: work });
  return new Promise((resolve) => {
    let begun = 0;
    const stopped = (error: Error): void => {
      const at = words[0] ?? seed;
      const finding = { target: target.name, seed: at, error, input: target.make(randomOf(at)) };
      const inputs = words[1] ?? 0;
      end({ inputs, ms: 0, outcomes: new Map(), grownBytes: 0, finding });
    };
    const watch = setInterval(() => {
      // Shrinking a finding takes less.
      if (words[1] === begun) stopped(new Error(`no end after ${hangMs / 1000} s`));
      begun = words[1] ?? 0;
    }, hangMs);
    const end = (result: RunResult): void => {
      clearInterval(watch);
      void worker.terminate();
      resolve(result);
    };
    worker.on('message', end);
    worker.on('error', stopped);
  });
}

function tell({ name }: Target, { inputs, ms, outcomes, grownBytes, finding }: RunResult): void {
  const perSecond = Math.round((inputs / Math.max(ms, 1)) * 1000);
  const taken = [...outcomes].sort(([, a], [, b]) => b - a);
  const shares = taken.map(([what, times]) => `${what} ${((times / inputs) * 100).toFixed(1)} %`);
  const grown = `${(grownBytes / 2 ** 20).toFixed(1)} MiB grown`;
  console.log(
    `${name}: ${inputs} inputs, ${perSecond}/s, ${grown}; ${shares.slice(0, 8).join(', ')}`,
  );
  if (finding !== undefined) tellFinding(finding);
  else if (grownBytes > growthBytes) {
    console.error(`${name}: more than ${growthBytes / 2 ** 20} MiB grown`);
    process.exitCode = 1;
  }
}

function tellFinding(finding: Finding): void {
  process.exitCode = 1;
  const { target, input, error, from } = finding;
  console.error(`FINDING in ${target}: ${error.stack ?? error.message}`);
  const count = from === undefined ? 1 : ((finding.seed - from) >>> 0) + 1;
  const again = `--only ${target} --seed ${from ?? finding.seed} --count ${count}`;
  console.error(`again: npm run test:fuzz -- ${again}`);
  console.error(`${input.length} bytes, kept as ${keepRegression(finding)}`);
}
