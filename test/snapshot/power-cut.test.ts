import { describe, expect, it } from 'vitest';
import {
  cutEverywhere,
  type History,
  isSync,
  momentsOf,
  PowerCutError,
  siteOf,
} from './power-cut.js';
import type { SimulatedDisk } from './simulated-disk.js';
import { SimulatedFiles, type Step } from './simulated-files.js';
import { TinyStore } from './tiny-store.js';

const values = ['', 'one', 'two', 'three'];
const bounds = { allSubsetsUpTo: 8, pairs: true, stride: 1 };

const history: History<number> = async ({ files, promise }) => {
  const store = new TinyStore(files);
  await store.create();
  promise(0);
  for (let number = 1; number < values.length; number++) {
    await store.put(number, values[number] as string);
    promise(number);
  }
};

async function check(disk: SimulatedDisk, promised: number): Promise<void> {
  if (promised < 0) return;
  const value = await new TinyStore(new SimulatedFiles(disk)).get();
  const wanted = [promised, promised + 1].map((number) => values[number]);
  if (!wanted.includes(value ?? '')) throw new Error(`${value} instead of ${wanted}`);
}

describe('the power-cut test', () => {
  it('finds nothing wrong with a store that syncs', async () => {
    const report = await cutEverywhere(await momentsOf(history, -1), check, bounds);
    expect(report.checked).toBe(report.survivals);
    expect(report.survivals).toBeGreaterThan(20);
  });

  it('finds each missing sync', async () => {
    const sites = new Set<string>();
    const note = (step: Step) => {
      if (isSync(step)) sites.add(siteOf(step, 'tiny-store.ts'));
      return undefined;
    };
    await momentsOf(history, -1, note);
    const kinds = [...sites].map((site) => site.replace(/ from.*/, ''));
    expect(kinds).toEqual([
      'syncFolder /',
      'sync /tiny/1.value',
      'syncFolder /tiny',
      'sync /tiny/temporary',
      'syncFolder /tiny',
      'sync /tiny/2.value',
      'sync /tiny/3.value',
    ]);
    for (const site of sites) {
      const moments = await momentsOf(history, -1, (step) =>
        isSync(step) && siteOf(step, 'tiny-store.ts') === site ? 'ignored' : undefined,
      );
      await expect(cutEverywhere(moments, check, bounds), site).rejects.toThrow(PowerCutError);
    }
  });
});
