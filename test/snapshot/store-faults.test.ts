import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { openStore, type Store } from '../../src/snapshot/index.js';
import { record } from '../evidence/record.js';
import { SimulatedDisk } from './simulated-disk.js';
import { changing, type Fault, SimulatedFiles, type Step } from './simulated-files.js';
import { assert, checkStore } from './store-check.js';
import {
  holdClock,
  makeMountPoint,
  nothingPromised,
  passTime,
  pruneTo,
  storePath,
  takeSnapshot,
  without,
  withSnapshot,
} from './store-history.js';
import { survivals } from './survivals.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';

holdClock();

/** What goes wrong at one step, and at all after it until the program gives up. */
interface Trouble {
  readonly fault: Fault;
  readonly lasts: boolean;
  readonly at: (step: Step) => boolean;
}

// Removing a file takes no room.
const fills = (step: Step) => changing.has(step.operation) && step.operation !== 'unlink';
const changes = ({ operation }: Step) => changing.has(operation);
const isSync = ({ operation }: Step) => operation === 'sync' || operation === 'syncFolder';
const troubles: Readonly<Record<string, Trouble>> = {
  'a full disk': { fault: 'ENOSPC', lasts: true, at: fills },
  'a moment without room': { fault: 'ENOSPC', lasts: false, at: fills },
  'a bad sector': { fault: 'EIO', lasts: false, at: () => true },
  'a failed sync': { fault: 'EIO', lasts: false, at: isSync },
  'a disk that became read-only': { fault: 'EROFS', lasts: true, at: changes },
};

/** Steps of a whole life with trouble at step `number` of those it may hit; each part that fails is tried again without. */
async function live({ fault, lasts, at }: Trouble, number: number): Promise<{ hit: boolean }> {
  const disk = new SimulatedDisk();
  let steps = 0;
  let hit = false;
  let isTroubled = false;
  const files = new SimulatedFiles(disk, {
    before: (step) => {
      const isIt = at(step) && steps++ === number;
      if (isIt) hit = true;
      if (isIt && lasts) isTroubled = true;
      return isIt || (isTroubled && at(step)) ? fault : undefined;
    },
  });
  await makeMountPoint(new SimulatedFiles(disk));
  let promised = nothingPromised;
  const part = async <T>(act: () => Promise<T>): Promise<T> => {
    const wasHit = hit;
    try {
      return await act();
    } catch (error) {
      isTroubled = false;
      assert(hit && !wasHit, `failed without trouble: ${error}`);
      assert(error instanceof FerryError, `no coded error: ${error}`);
      const codes = fault === 'ENOSPC' ? ['ERR_DISK_FULL'] : ['ERR_IO'];
      assert(codes.includes(error.code), `${error.code} after ${fault}: ${error.message}`);
      // Locks of those who failed are stale then.
      passTime();
      return act();
    } finally {
      isTroubled = false;
      if (hit && !wasHit) passTime();
    }
  };
  const take = async (store: Store, name: string, parent?: string) => {
    const info = await part(async () =>
      takeSnapshot(
        store,
        name,
        parent === undefined ? undefined : await store.find(String(promised.snapshots.get(parent))),
      ),
    );
    promised = withSnapshot(promised, name, info.counter);
  };
  const store = await part(() => openStore(storePath, { files, create: true }));
  promised = { ...promised, created: true };
  await take(store, 's1');
  await take(store, 's2', 's1');
  promised = without(promised, 's1');
  for (let run = 0; run < 2; run++) {
    passTime();
    await part(() => pruneTo(store, 's2'));
  }
  await take(store, 's3', 's2');
  await store.close();
  assert(files.openFiles === 0, `${files.openFiles} files left open`);
  // Whatever was not synced is lost, or nothing of it.
  let checked = 0;
  for (const survival of survivals(disk.image(), { allSubsetsUpTo: 0, pairs: false })) {
    await checkStore(survival.mount(), promised);
    if (++checked === 2) break;
  }
  return { hit };
}

describe('a store in trouble', () => {
  for (const [name, trouble] of Object.entries(troubles)) {
    it(`says so and loses nothing: ${name}`, { timeout: 3_600_000 }, async ({ task }) => {
      const stride = nightly ? 1 : trouble.at === isSync ? 9 : 61;
      let runs = 0;
      for (let number = 0; ; number += stride) {
        try {
          if (!(await live(trouble, number)).hit) break;
        } catch (error) {
          const { message } = error as Error;
          throw new Error(`${name} at step ${number}: ${message}`, { cause: error });
        }
        runs++;
      }
      record(task, { what: `a store with ${name}`, counts: { runs } });
      expect(runs).toBeGreaterThan(0);
    });
  }
});
