import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { StandbyEvent } from '../../src/replication/events.js';
import type { Standby } from '../../src/replication/standby-driver.js';
import { type Counter, pageBytes, until, work } from './counter.js';
import { handOver, pages, pair } from './pair.js';

/** What is told of damage, and whether there was a copy then. */
function damageOf(standby: Standby): { readonly pages: number; readonly hadCopy: boolean }[] {
  const found: { pages: number; hadCopy: boolean }[] = [];
  void (async () => {
    for await (const event of standby as AsyncIterable<StandbyEvent>) {
      if (event.type !== 'damaged') continue;
      found.push({ pages: event.pages, hadCopy: standby.copy !== undefined });
    }
  })();
  return found;
}

describe('a copy that is read back', () => {
  it('has what nobody wrote, and was damaged, repaired by its primary, which works meanwhile', async () => {
    const { counter, counters, primary, standby, compared } = await pair('marks', { scrubMs: 50 });
    const damage = damageOf(standby);
    const told: number[] = [];
    const worker = work(counter, primary, told);
    await until(() => told.length > 20);
    await sleep(100);
    expect(damage).toEqual([]);
    const there = counters[0] as Counter;
    // The counter writes each page after 2048 steps only.
    const page = (((counter.count - 5) * 7) % pages) + 1;
    there.memory.fill(0xee, page * pageBytes + 100, page * pageBytes + 101);
    await until(() => damage.length > 0);
    expect(damage).toEqual([{ pages: 1, hadCopy: false }]);
    await until(() => compared.length > 0 && standby.copy !== undefined);
    await until(() => primary.inSync.length === 2);
    const both = told.length;
    await until(() => told.length > both + 20);
    await worker.stop();
    await handOver(primary, standby);
    expect(compared[0]?.samePages).toBeGreaterThan(pages / 2);
    expect(compared[0]?.samePages).toBeLessThan(pages);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare(there.memory, counter.memory)).toBe(0);
    expect(damage).toHaveLength(1);
  });

  it('is not looked at where that is not wanted', async () => {
    const { counters, standby, primary } = await pair('marks', { scrubMs: 0 });
    const damage = damageOf(standby);
    (counters[0] as Counter).memory.fill(0xee, pageBytes, 2 * pageBytes);
    await sleep(100);
    expect(damage).toEqual([]);
    expect(primary.inSync).toHaveLength(2);
  });

  it('is left alone from when it runs', async () => {
    const { counters, standby, primary } = await pair('marks', { scrubMs: 20 });
    const damage = damageOf(standby);
    const next = await handOver(primary, standby);
    const there = counters[0] as Counter;
    await until(() => there.runs);
    for (let count = 0; count < 20; await sleep(5)) if (there.step()) count += 1;
    expect(damage).toEqual([]);
    expect(next.mayAct).toBe(true);
  });
});
