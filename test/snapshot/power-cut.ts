import { type DiskImage, SimulatedDisk } from './simulated-disk.js';
import { changing, type Fault, type Hooks, SimulatedFiles, type Step } from './simulated-files.js';
import { type Bounds, survivals } from './survivals.js';

/** What the disk was when a step was over, and what had been promised by then. */
export interface Moment<Promised> {
  readonly image: DiskImage;
  readonly promised: Promised;
  readonly step: string;
}

export interface World<Promised> {
  readonly disk: SimulatedDisk;
  readonly files: SimulatedFiles;
  /** From here on this is promised. */
  promise(next: Promised): void;
}

/** What programs do on a new disk, and what they promise meanwhile. */
export type History<Promised> = (world: World<Promised>) => Promise<void>;

/**
 * Carries out `history`, and returns the moments at which the power may be cut: after each step that changes the disk, and after each promise. `faultAt` is asked
 * before each step, and told how many moments there are so far.
 */
export async function momentsOf<Promised>(
  history: History<Promised>,
  first: Promised,
  faultAt: (step: Step, moments: number) => Fault | undefined = () => undefined,
): Promise<Moment<Promised>[]> {
  const disk = new SimulatedDisk();
  const moments: Moment<Promised>[] = [];
  let promised = first;
  const note = (step: string) => moments.push({ image: disk.image(), promised, step });
  note('the beginning');
  const hooks: Hooks = {
    before: (step) => faultAt(step, moments.length),
    after: ({ operation, path }) => {
      if (changing.has(operation)) note(`${operation} ${kindOf(path)}`);
    },
  };
  const promise = (next: Promised) => {
    promised = next;
    note('a promise');
  };
  await history({ disk, files: new SimulatedFiles(disk, hooks), promise });
  return moments;
}

export interface CutOptions extends Bounds {
  /** Of all survivals every so manieth is checked; all of them: 1. */
  readonly stride: number;
  /** The first moment at which the power is cut. Default 0. */
  readonly from?: number;
}

export interface CutReport {
  readonly moments: number;
  /** Different disks that may be left, and how many of them were checked. */
  readonly survivals: number;
  readonly checked: number;
}

/** Cuts the power at each moment, mounts what may be left, and has it checked. Throws what `check` throws, with how it came. */
export async function cutEverywhere<Promised>(
  moments: readonly Moment<Promised>[],
  check: (disk: SimulatedDisk, promised: Promised) => Promise<void>,
  options: CutOptions,
): Promise<CutReport> {
  const seen = new Map<Promised, Set<string>>();
  let all = 0;
  let checked = 0;
  for (const [at, { image, promised, step }] of moments.entries()) {
    if (at < (options.from ?? 0)) continue;
    const known = seen.get(promised) ?? new Set();
    seen.set(promised, known);
    for (const survival of survivals(image, options)) {
      if (known.has(survival.key)) continue;
      known.add(survival.key);
      if (all++ % options.stride !== 0) continue;
      checked++;
      try {
        await check(survival.mount(), promised);
      } catch (error) {
        const { message } = error as Error;
        const when = `power cut after step ${at} (${step}), ${survival.how}`;
        throw new PowerCutError(`${when}: ${message}`, { cause: error });
      }
    }
  }
  return { moments: moments.length, survivals: all, checked };
}

/** A promise that was not kept. */
export class PowerCutError extends Error {}

/** A path without what differs from run to run. */
export function kindOf(path: string): string {
  return path.replace(/[0-9a-f]{32}/g, 'ID').replace(/\d{10}/g, 'N');
}

/** Which call of the code under `source` a step comes from: what it does to which kind of file, and the calls that led there. */
export function siteOf({ operation, path }: Step, source: string): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const lines = (new Error().stack ?? '').split('\n');
  Error.stackTraceLimit = limit;
  // What asks is in the stack too, before the call of the file system.
  const from = lines.findLastIndex((line) => line.includes('simulated-files'));
  const calls = lines
    .slice(from)
    .filter((line) => line.includes(source))
    .map((line) => /([^/\\]+):(\d+):\d+\)?$/.exec(line))
    .map((match) => `${match?.[1]}:${match?.[2]}`);
  return `${operation} ${kindOf(path)} from ${calls.join(' < ')}`;
}

export function isSync({ operation }: Step): boolean {
  return operation === 'sync' || operation === 'syncFolder';
}
