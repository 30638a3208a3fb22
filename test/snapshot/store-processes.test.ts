import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { openStore } from '../../src/snapshot/index.js';
import { record } from '../evidence/record.js';
import { type DiskImage, SimulatedDisk } from './simulated-disk.js';
import { SimulatedFiles } from './simulated-files.js';
import { assert, checkPromises, checkStore } from './store-check.js';
import {
  holdClock,
  makeMountPoint,
  nothingPromised,
  type Promised,
  passTime,
  pruneTo,
  storePath,
  takeSnapshot,
  without,
  withSnapshot,
} from './store-history.js';
import { type Survival, survivals } from './survivals.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const stride = nightly ? 1 : 67;

holdClock();

/** Three snapshots, and what a first prune condemned. */
async function startingPoint(): Promise<{ image: DiskImage; promised: Promised }> {
  const disk = new SimulatedDisk();
  const files = new SimulatedFiles(disk);
  await makeMountPoint(files);
  await using store = await openStore(storePath, { files, create: true });
  let promised = nothingPromised;
  for (const [name, parent] of [['s1'], ['s2', 's1'], ['s3', 's2']] as const) {
    const before = parent === undefined ? undefined : await store.find(parent);
    const info = await takeSnapshot(store, name, before);
    promised = withSnapshot(promised, name, info.counter);
  }
  await pruneTo(store, 's2', 's3');
  return { image: disk.image(), promised: without(promised, 's1') };
}

/** All that was written, or only what was synced. */
function leftOf(image: DiskImage, what: 'all' | 'synced'): Survival {
  const [synced, all] = survivals(image, { allSubsetsUpTo: 0, pairs: false });
  const found = what === 'all' ? (all ?? synced) : synced;
  if (found === undefined) throw new Error('a disk that nothing is left of');
  return found;
}

/** What a process does; says what may be counted on when it is over. */
type Program = (files: SimulatedFiles, promised: Promised, name: string) => Promise<Promised>;

const programs: Readonly<Record<'writes' | 'prunes', Program>> = {
  writes: async (files, promised, name) => {
    await using store = await openStore(storePath, { files });
    const { counter } = await takeSnapshot(store, name, await store.find('s3'));
    return withSnapshot(promised, name, counter);
  },
  prunes: async (files, promised) => {
    await using store = await openStore(storePath, { files });
    for (let run = 0; run < 2; run++) {
      // Others' new snapshots stay.
      await pruneTo(store, 's3', 's4', 's5');
      passTime();
    }
    return without(promised, 's2');
  },
};

/** What holds when one more program is over, or has failed as it may. */
async function outcome(promised: Promised, run: Promise<Promised>): Promise<Promised> {
  try {
    return await run;
  } catch (error) {
    assert(error instanceof FerryError, `no coded error: ${error}`);
    const codes = ['ERR_BUSY', 'ERR_STORE_CORRUPT', 'ERR_IO'];
    assert(codes.includes(error.code), `${error.code}: ${error.message}`);
    return promised;
  }
}

/** One program stands still before its step `number` until another one is over. */
async function suspend(
  start: { image: DiskImage; promised: Promised },
  first: Program,
  second: Program,
  number: number,
): Promise<boolean> {
  const disk = leftOf(start.image, 'all').mount();
  let steps = 0;
  let wake = () => {};
  const woken = new Promise<undefined>((resolve) => {
    wake = () => resolve(undefined);
  });
  let reached = () => {};
  const isThere = new Promise<boolean>((resolve) => {
    reached = () => resolve(true);
  });
  const before = () => {
    if (steps++ < number) return undefined;
    reached();
    return woken;
  };
  // Once a prune has begun, the snapshots that it removes may be gone whatever becomes of it.
  const begun = without(start.promised, 's2');
  const slow = outcome(begun, first(new SimulatedFiles(disk, { before }), begun, 's4'));
  const stopped = await Promise.race([isThere, slow.then(() => false)]);
  if (!stopped) return false;
  passTime();
  const other = await outcome(begun, second(new SimulatedFiles(disk), begun, 's5'));
  // The power may be cut now, and the first never goes on.
  await checkPromises(leftOf(disk.image(), 'synced').mount(), other);
  wake();
  const own = await slow;
  const promised: Promised = {
    ...other,
    snapshots: new Map([...other.snapshots, ...own.snapshots]),
    lastCounter: Math.max(own.lastCounter, other.lastCounter),
  };
  await checkStore(leftOf(disk.image(), 'all').mount(), promised, true);
  await checkPromises(leftOf(disk.image(), 'synced').mount(), promised);
  return true;
}

describe('two processes, one suspended and woken later', () => {
  for (const [first, second] of [
    ['writes', 'writes'],
    ['writes', 'prunes'],
    ['prunes', 'writes'],
    ['prunes', 'prunes'],
  ] as const) {
    const name = `one ${first}, the other ${second}`;
    it(`hurt no acknowledged snapshot: ${name}`, { timeout: 3_600_000 }, async ({ task }) => {
      const start = await startingPoint();
      let runs = 0;
      for (let number = 0; ; number += stride) {
        try {
          if (!(await suspend(start, programs[first], programs[second], number))) break;
        } catch (error) {
          const { message } = error as Error;
          throw new Error(`suspended at step ${number}: ${message}`, { cause: error });
        }
        runs++;
      }
      record(task, { what: `two processes, ${name}`, counts: { runs } });
      expect(runs).toBeGreaterThan(0);
    });
  }
});
