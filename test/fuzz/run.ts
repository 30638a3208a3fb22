import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { randomOf } from '../reference/random.js';
import { failureOf, shrink } from './shrink.js';
import type { Target } from './target.js';

/** What a run may leave behind, in the heap and in arenas together, once garbage is gone. */
export const growthBytes: number = 16 << 20;
/** Inputs between two resets: what goes wrong only behind others is not far from them. */
const inputsTogether = 1024;
const sliceMs = 50;

export interface RunOptions {
  /** Of the first input; each next one has the next. 0 to 2^32 - 1. */
  readonly seed: number;
  /** Ends the run behind so many inputs. */
  readonly count?: number;
  /** Ends it behind so many milliseconds. */
  readonly forMs?: number;
  /** An input that takes longer is a finding. Default 1000. */
  readonly slowMs?: number;
  /** Told the seed of every input before it is run. */
  readonly onInput?: (seed: number) => void;
}

export interface Finding {
  readonly target: string;
  /** Of the input that failed. */
  readonly seed: number;
  readonly error: Error;
  /** The smallest found that fails on its own; the whole one where it fails only behind those before it. */
  readonly input: Uint8Array;
  /** Seed of the first input since the last reset, where the failing one needs those before it. */
  readonly from?: number;
}

export interface RunResult {
  readonly inputs: number;
  readonly ms: number;
  /** How many inputs came to each outcome: 'taken', the code of a refusal. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly grownBytes: number;
  readonly finding?: Finding;
}

/** Tries inputs of one target until there is a finding or the time, or their number, is over. */
export async function fuzz(target: Target, options: RunOptions): Promise<RunResult> {
  const { stackTraceLimit } = Error;
  // Most inputs are refused, and nobody reads where: most of the time would go there.
  Error.stackTraceLimit = 0;
  try {
    return await tryInputs(target, options);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function tryInputs(target: Target, options: RunOptions): Promise<RunResult> {
  const {
    seed: first,
    count = Number.POSITIVE_INFINITY,
    forMs = Number.POSITIVE_INFINITY,
    slowMs = 1000,
  } = options;
  const outcomes = new Map<string, number>();
  const start = performance.now();
  let inputs = 0;
  let before: number | undefined;
  let sliceEnd = start + sliceMs;
  const result = async (finding?: Finding): Promise<RunResult> => {
    const ms = performance.now() - start;
    target.reset?.();
    const grownBytes = before === undefined ? 0 : Math.max(0, (await heldBytes()) - before);
    const base = { inputs, ms, outcomes, grownBytes };
    return finding === undefined ? base : { ...base, finding };
  };
  for (let now = start; inputs < count && now - start < forMs; inputs++) {
    const seed = (first + inputs) >>> 0;
    if (inputs % inputsTogether === 0) {
      target.reset?.();
      // Engines are made and code is compiled by then.
      if (before === undefined && inputs > 0) before = await heldBytes();
    }
    options.onInput?.(seed);
    const input = target.make(randomOf(seed));
    const from = performance.now();
    let error: Error | undefined;
    try {
      const running = target.run(input);
      const outcome = typeof running === 'string' ? running : await running;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    now = performance.now();
    if (error === undefined && now - from > slowMs) error = await slowness(target, input, slowMs);
    if (error !== undefined) {
      const together = (first + inputs - (inputs % inputsTogether)) >>> 0;
      return result(await found(target, seed, input, error, together));
    }
    // Those who wait for this thread: a test runner, timers.
    if (now > sliceEnd) {
      await new Promise((resolve) => setImmediate(resolve));
      sliceEnd = performance.now() + sliceMs;
    }
  }
  return result();
}

/** A busy machine makes anything slow now and then: the fastest of some tries counts. */
async function slowness(
  target: Target,
  input: Uint8Array,
  slowMs: number,
): Promise<Error | undefined> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 5; time++) {
    const from = performance.now();
    await failureOf(target, input);
    fastest = Math.min(fastest, performance.now() - from);
  }
  if (fastest <= slowMs) return undefined;
  return new Error(`it takes ${(fastest / 1000).toFixed(1)} s`);
}

async function found(
  target: Target,
  seed: number,
  input: Uint8Array,
  error: Error,
  from: number,
): Promise<Finding> {
  const { name } = target;
  Error.stackTraceLimit = 30;
  const alone = await failureOf(target, input);
  if (alone === undefined) return { target: name, seed, error, input, from };
  return { target: name, seed, error: alone, input: await shrink(target, input) };
}

let collect: (() => void) | undefined;

/** Bytes that are still held when garbage is gone. */
async function heldBytes(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  // Memory of WebAssembly goes a turn or two after what held it.
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
