import { createHash } from 'node:crypto';
import type { MemorySupply } from './memory-supply.js';
import type { Outcome } from './scenario.js';
import { faultsOf, fingerprint, schedule } from './schedule.js';
import { simulate } from './world.js';

/** Seeds that follow each other and are run by one thread. */
export interface Block {
  readonly first: number;
  readonly count: number;
}

export interface Fault {
  readonly seed: number;
  readonly what: string;
}

export interface BlockResult {
  /** How many were run: all, but where the first fault ends it. */
  readonly schedules: number;
  /** Of what was run, in order: equal for schedules of which seeds alone differ. */
  readonly fingerprints: BigUint64Array;
  readonly faults: readonly Fault[];
  /** How often it came to what: "completed", "source crashed", "patched pages". */
  readonly counts: Readonly<Record<string, number>>;
}

export interface BlockOptions {
  readonly memory?: MemorySupply;
  /** End with the first fault. */
  readonly firstFault?: boolean;
  /** Told the seed of each schedule before it is run. */
  readonly onSchedule?: (seed: number) => void;
  /** Told that memory of the last one is used no more. */
  readonly onEnd?: () => void;
}

/** Runs the schedules of one block, one after the other. */
export async function runBlock(
  { first, count }: Block,
  options: BlockOptions = {},
): Promise<BlockResult> {
  const fingerprints: bigint[] = [];
  const faults: Fault[] = [];
  const counts = new Map<string, number>();
  const { stackTraceLimit } = Error;
  // Cuts are told of by errors, and nobody reads where.
  Error.stackTraceLimit = 0;
  try {
    for (let index = 0; index < count; index++) {
      const seed = (first + index) >>> 0;
      options.onSchedule?.(seed);
      const scenario = schedule(seed);
      fingerprints.push(fingerprint(scenario));
      const outcome = await simulate(scenario, options.memory);
      options.onEnd?.();
      faults.push(...faultsOf(scenario, outcome).map((what) => ({ seed, what })));
      for (const [what, times] of tell(outcome)) counts.set(what, (counts.get(what) ?? 0) + times);
      if (options.firstFault === true && faults.length > 0) break;
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return {
    schedules: fingerprints.length,
    fingerprints: BigUint64Array.from(fingerprints),
    faults,
    counts: Object.fromEntries(counts),
  };
}

/** What became of a schedule, and what it had to do with. */
function* tell(outcome: Outcome): Generator<readonly [what: string, times: number]> {
  const { report, failure, crashed, sourcePhase, events } = outcome;
  if (report !== undefined) yield ['completed', 1];
  else if (failure !== undefined) yield [`failed with ${failure}`, 1];
  else if (crashed !== 'source') yield [sourcePhase, 1];
  if (crashed !== undefined) yield [`${crashed} crashed`, 1];
  yield ['connections', outcome.delivered.length];
  yield ['interruptions', events.filter(({ type }) => type === 'interrupted').length];
  yield ['goings on', events.filter(({ type }) => type === 'resumed').length];
  if (report === undefined) return;
  yield ['pages', report.pagesSent];
  yield ['delta pages', report.pagesByKind.delta];
  yield ['patched pages', report.pagesByKind.patch];
  yield ['compressed frames', report.compressed.frames];
  yield ['repaired pages', report.repaired];
  yield ['pauses given back', report.retreats];
}

export interface Summary {
  readonly schedules: number;
  /** Of them, seeds apart. */
  readonly distinct: number;
  /** Of all fingerprints in the order of seeds, 16 hex digits. */
  readonly hash: string;
  readonly faults: readonly Fault[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Puts together what blocks that follow each other came to. */
export function summaryOf(results: readonly BlockResult[]): Summary {
  const hash = createHash('sha256');
  const schedules = results.reduce((sum, result) => sum + result.schedules, 0);
  const all = new BigUint64Array(schedules);
  const counts = new Map<string, number>();
  let at = 0;
  for (const { fingerprints, counts: some } of results) {
    hash.update(fingerprints);
    all.set(fingerprints, at);
    at += fingerprints.length;
    for (const [what, times] of Object.entries(some)) {
      counts.set(what, (counts.get(what) ?? 0) + times);
    }
  }
  all.sort();
  return {
    schedules,
    distinct: all.reduce((sum, one, index) => sum + (one === all[index - 1] ? 0 : 1), 0),
    hash: hash.digest('hex').slice(0, 16),
    faults: results.flatMap(({ faults }) => faults),
    counts: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
