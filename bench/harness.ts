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

const rounds = 5;
const roundMs = 60;

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
 * Times `ours` and `peers`, which all treat `bytes` bytes a call, and gives GB/s. All of them run in each of five rounds, each round in
 * another order, so that what else the machine does hits them alike; the figure is the median round's median call.
 */
export async function throughput(
  name: string,
  bytes: number,
  ours: Task,
  peers: Readonly<Record<string, Task>>,
): Promise<Result> {
  const tasks = [['pageferry', ours] as const, ...Object.entries(peers)];
  const medians = new Map<string, number[]>(tasks.map(([task]) => [task, []]));
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: roundMs, iterations: 5, warmupTime: 20, warmupIterations: 2 });
    for (let i = 0; i < tasks.length; i++) {
      const [task, run] = tasks[(i + round) % tasks.length] ?? ['pageferry', ours];
      bench.add(task, () => {
        run();
      });
    }
    await bench.run();
    for (const task of bench.tasks) {
      if (task.result.state !== 'completed') throw new Error(`${name}: ${task.name} failed`);
      medians.get(task.name)?.push(task.result.latency.p50);
    }
  }
  const speed = (task: string) => bytes / median(medians.get(task) ?? []) / 1e6;
  const theirs = Object.fromEntries(Object.keys(peers).map((peer) => [peer, speed(peer)]));
  return result(name, 'GB/s', 'higher', speed('pageferry'), theirs);
}
