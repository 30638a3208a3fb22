import { describe, expect, it } from 'vitest';
import { RoundWatch } from '../../src/migration/round-watch.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

/** Steps of 64 pages that took so many milliseconds each. */
async function captureMs(steps: readonly number[]): Promise<number> {
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
    watch.captured(from, 64);
  }
  expect(watch.times().examinedPages).toBe(64 * steps.length);
  return watch.times().captureMs;
}

describe('the stopwatch of a round', () => {
  it('adds up what looking at pages took', async () => {
    expect(await captureMs([1, 2, 1, 2, 1, 2, 1, 2, 1, 2])).toBeCloseTo(15, 6);
    expect(await captureMs([1, 30])).toBeCloseTo(31, 6);
  });

  it('knows steps that found nothing to look at', () => {
    const watch = new RoundWatch(new VirtualClock(), () => 0);
    watch.captured(0, 0);
    watch.captured(0, 3);
    expect(watch.times()).toMatchObject({ captureMs: 0, examinedPages: 3 });
  });

  it('leaves out what interrupted a step', async () => {
    const usual = Array.from({ length: 20 }, () => 1);
    expect(await captureMs([...usual, 50, 1])).toBeCloseTo(24, 6);
  });
});
