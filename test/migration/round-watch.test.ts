import { describe, expect, it } from 'vitest';
import { type RoundTimes, RoundWatch } from '../../src/migration/round-watch.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

/** Steps of 64 pages that took so many milliseconds each. */
async function timesOf(steps: readonly number[], sentPages = 1): Promise<RoundTimes> {
  const clock = new VirtualClock();
  const watch = new RoundWatch(clock, () => 0);
  for (const ms of steps) {
    const from = clock.now();
    let isOver = false;
    clock.after(ms, () => {
      isOver = true;
    });
    await clock.run(
      Number.POSITIVE_INFINITY,
      () => isOver,
      () => {},
    );
    watch.captured(from, 64, sentPages);
  }
  expect(watch.times().examinedPages).toBe(64 * steps.length);
  return watch.times();
}

const captureMs = async (steps: readonly number[]): Promise<number> =>
  (await timesOf(steps)).captureMs;

describe('the stopwatch of a round', () => {
  it('adds up what looking at pages took', async () => {
    expect(await captureMs([1, 2, 1, 2, 1, 2, 1, 2, 1, 2])).toBeCloseTo(15, 6);
    expect(await captureMs([1, 30])).toBeCloseTo(31, 6);
  });

  it('knows steps that found nothing to look at', () => {
    const watch = new RoundWatch(new VirtualClock(), () => 0);
    watch.captured(0, 0, 0);
    watch.captured(0, 3, 3);
    expect(watch.times()).toMatchObject({ captureMs: 0, examinedPages: 3 });
  });

  it('tells what looking costs from steps in which nothing had changed, the quick ones', async () => {
    const steps = [9, 9, 9, 4, 4, 4, 9, 9, 9, 9];
    expect((await timesOf(steps, 0)).scanPagesPerMs).toBeCloseTo(16, 6);
    expect((await timesOf(steps, 1)).scanPagesPerMs).toBeUndefined();
    expect((await timesOf([1, 1], 0)).scanPagesPerMs).toBeUndefined();
  });

  it('leaves out what interrupted a step', async () => {
    const usual = Array.from({ length: 20 }, () => 1);
    expect(await captureMs([...usual, 50, 1])).toBeCloseTo(24, 6);
  });
});
