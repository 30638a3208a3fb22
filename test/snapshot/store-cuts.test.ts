import { describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import { cutEverywhere, isSync, momentsOf, PowerCutError, siteOf } from './power-cut.js';
import type { Fault, Step } from './simulated-files.js';
import { checkPromises, checkStore } from './store-check.js';
import { holdClock, nothingPromised, storeHistory } from './store-history.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const source = '/src/snapshot/';

holdClock();

describe('a store whose power is cut', () => {
  it('keeps every acknowledged snapshot, and goes on', { timeout: 7_200_000 }, async ({ task }) => {
    const moments = await momentsOf(storeHistory, nothingPromised);
    const bounds = nightly
      ? { allSubsetsUpTo: 7, pairs: true }
      : { allSubsetsUpTo: 3, pairs: false };
    const report = await cutEverywhere(moments, checkStore, {
      ...bounds,
      stride: nightly ? 1 : 97,
    });
    record(task, { what: 'power cuts of a store', counts: { ...report } });
    expect(report.moments).toBeGreaterThan(200);
    expect(report.checked).toBeGreaterThan(50);
  });

  it('needs each of its syncs', { timeout: 7_200_000 }, async ({ task }) => {
    const sites = new Set<string>();
    await momentsOf(storeHistory, nothingPromised, (step) => {
      const site = isSync(step) ? siteOf(step, source) : '';
      if (site.includes('.ts')) sites.add(site);
      return undefined;
    });
    record(task, { what: 'syncs left out', counts: { syncs: sites.size } });
    expect(sites.size).toBeGreaterThan(20);
    const tried = [...sites].filter((_, at) => nightly || at % 5 === 1);
    for (const site of tried) {
      expect(await brokenWithout(site), `found without ${site}`).toBe(true);
    }
  });
});

/** Whether the power-cut test fails if this sync is left out. */
async function brokenWithout(site: string): Promise<boolean> {
  let from: number | undefined;
  const leaveOut = (step: Step, moment: number): Fault | undefined => {
    if (!isSync(step) || siteOf(step, source) !== site) return undefined;
    from ??= moment;
    return 'ignored';
  };
  const moments = await momentsOf(storeHistory, nothingPromised, leaveOut);
  // What is found by a look at few of all disks that may be left is found soon.
  const passes = [
    { check: checkPromises, stride: 5 },
    { check: checkStore, stride: 13 },
    { check: checkPromises, stride: 1 },
    { check: checkStore, stride: 1 },
  ];
  for (const { check, stride } of passes) {
    try {
      const bounds = { allSubsetsUpTo: 2, pairs: false, stride };
      await cutEverywhere(moments, check, { ...bounds, from: from ?? 0 });
    } catch (error) {
      if (error instanceof PowerCutError) return true;
      throw error;
    }
  }
  return false;
}
