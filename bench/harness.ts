import { Bench } from 'tinybench';

/** One figure beside those of its peers. `ratio` above 1 always means that pageferry is better. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly versus: readonly {
    readonly peer: string;
    readonly value: number;
    readonly ratio: number;
  }[];
}

/** A file `bench/NAME.bench.ts` exports one as `suite`, and `bench/main.ts` lists its name. */
export interface Suite {
  /** What the suite finds out, in one sentence. */
  readonly question: string;
  /** Yields results named `NAME/case`. */
  run(): AsyncIterable<Result>;
}

/** Anything to be timed; what it returns is ignored. */
export type Task = () => unknown;

const rounds = 7;
const roundMs = 40;

/** The middle of `values`, or of the two in the middle the higher. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** A result from measured values, where either the lower or the higher is the better. */
export function result(
  name: string,
  unit: string,
  better: 'lower' | 'higher',
  value: number,
  peers: Readonly<Record<string, number>>,
): Result {
  const versus = Object.entries(peers).map(([peer, theirs]) => ({
    peer,
    value: theirs,
    ratio: better === 'higher' ? value / theirs : theirs / value,
  }));
  return { name, value, unit, versus };
}

/**
 * A result of rounds in each of which everything was measured once: the values are medians, and each ratio is the median of the rounds'
 * own ratios, so that what slows a whole round down touches no ratio.
 */
export function ofRounds(
  name: string,
  unit: string,
  better: 'lower' | 'higher',
  ours: readonly number[],
  peers: Readonly<Record<string, readonly number[]>>,
): Result {
  const versus = Object.entries(peers).map(([peer, theirs]) => {
    const ratios = ours.map((value, round) => {
      const other = theirs[round] ?? Number.NaN;
      return better === 'higher' ? value / other : other / value;
    });
    return { peer, value: median(theirs), ratio: median(ratios) };
  });
  return { name, value: median(ours), unit, versus };
}

/**
 * Times `ours` and `peers`, which all treat `bytes` bytes a call, and gives GB/s. All of them run in each of seven rounds, each round in
 * another order; a round's figure is its median call.
 */
export async function throughput(
  name: string,
  bytes: number,
  ours: Task,
  peers: Readonly<Record<string, Task>>,
): Promise<Result> {
  const tasks = [['pageferry', ours] as const, ...Object.entries(peers)];
  const speeds = new Map<string, number[]>(tasks.map(([task]) => [task, []]));
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: roundMs, iterations: 5, warmupTime: 10, warmupIterations: 2 });
    for (let i = 0; i < tasks.length; i++) {
      const [task, run] = tasks[(i + round) % tasks.length] ?? ['pageferry', ours];
      bench.add(task, () => {
        run();
      });
    }
    await bench.run();
    for (const task of bench.tasks) {
      if (task.result.state !== 'completed') throw new Error(`${name}: ${task.name} failed`);
      speeds.get(task.name)?.push(bytes / task.result.latency.p50 / 1e6);
    }
  }
  const theirs = Object.keys(peers).map((peer) => [peer, speeds.get(peer) ?? []] as const);
  const own = speeds.get('pageferry') ?? [];
  return ofRounds(name, 'GB/s', 'higher', own, Object.fromEntries(theirs));
}
