import { describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import { type Outcome, type Scenario, simulate } from './world.js';

const limitMs = 20;
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const seeds = Array.from({ length: nightly ? 200 : 3 }, (_, seed) => seed + 1);

/** 4 MB/s, 1 ms there and back: what is written in a burst does not fit the limit, what is written between two does. */
const base: Scenario = {
  seed: 1,
  pages: 64,
  tracker: 'marks',
  latencyMs: 0.5,
  bytesPerTurn: 2000,
  writeEveryMs: 1,
  writesPages: true,
  options: { maxDowntimeMs: limitMs },
};

/** No pause, given back or not, was longer than was promised. */
function expectPromiseKept(outcome: Outcome): void {
  expect(outcome.violations).toEqual([]);
  // Floating point adds what it likes.
  for (const pause of outcome.pauses) expect(pause).toBeLessThanOrEqual(1.5 * limitMs + 1e-6);
}

describe('a guest that writes in turns', () => {
  it.each([
    ['swings between quiet and busy', 300, 300],
    ['is busy most of the time', 700, 100],
  ])('and %s is switched over while it is quiet', async (_name, busyMs, quietMs) => {
    for (const seed of seeds) {
      const outcome = await simulate({
        ...base,
        seed,
        writes: (nowMs) => (nowMs % (busyMs + quietMs) < busyMs ? 3 : 0),
      });
      expectPromiseKept(outcome);
      expect(outcome.completed).toBe(true);
      expect(outcome.report?.downtimeMs).toBeLessThan(limitMs);
    }
  });

  it('in bursts of any length keeps its limit or runs on', async () => {
    const outcomes = new Set<string>();
    for (const seed of seeds) {
      // Bursts and gaps of 1 to 256 ms, from the seed alone.
      const random = new Random(seed);
      const ends = [0];
      while (ends.length < 1000) ends.push((ends.at(-1) ?? 0) + 1 + random.below(256));
      const isBusy = (nowMs: number): boolean => ends.findIndex((end) => end > nowMs) % 2 === 0;
      for (const tracker of ['marks', 'hash'] as const) {
        const outcome = await simulate({
          ...base,
          seed,
          tracker,
          writes: (nowMs) => (isBusy(nowMs) ? 3 : 0),
        });
        expectPromiseKept(outcome);
        outcomes.add(outcome.completed ? 'completed' : (outcome.failure ?? ''));
      }
    }
    expect(outcomes).toContain('completed');
  });

  it('more than the link carries runs on, with a word that it does not converge', async () => {
    const outcome = await simulate({ ...base, writes: () => 3 });
    expectPromiseKept(outcome);
    expect(outcome).toMatchObject({ failure: 'ERR_NOT_CONVERGING', source: 'running' });
    // It takes a period to know, and no longer than a few.
    expect(outcome.virtualMs).toBeGreaterThan(1000);
    expect(outcome.virtualMs).toBeLessThan(5000);
  });
});

describe('a guest that may be slowed', () => {
  const slowing = { maxDowntimeMs: limitMs, onStall: 'throttle' } as const;

  it('is, step by step, until its pause fits', async () => {
    const outcome = await simulate({ ...base, writes: () => 3, options: slowing });
    expectPromiseKept(outcome);
    expect(outcome.completed).toBe(true);
    expect(outcome.report?.throttle).toBeGreaterThan(0);
    expect(outcome.report?.throttle).toBeLessThan(0.99);
    expect(stalls(outcome)[0]).toBe('throttle 20 %');
  });

  it('has its own speed while the link is down, and is as slow as before once pages go on', async () => {
    // Behind the first step: a stall takes a second, and the link carries 4 MB in it.
    const cutAfterBytes = 6_000_000;
    const outcome = await simulate({ ...base, writes: () => 3, options: slowing, cutAfterBytes });
    expectPromiseKept(outcome);
    expect(outcome).toMatchObject({ completed: true, slowedBy: 0 });
    const [slowed = 0, atTheCut, after] = outcome.slowings.slice(outcome.slowings.indexOf(0) - 1);
    expect(slowed).toBeGreaterThan(0);
    expect([atTheCut, after]).toEqual([0, slowed]);
    const types = outcome.events.map(({ type }) => type);
    expect(types.indexOf('interrupted')).toBeLessThan(types.indexOf('resumed'));
  });

  it('to the last step in vain runs on at its own speed', async () => {
    const outcome = await simulate({
      ...base,
      writes: () => 3,
      options: { ...slowing, maxDowntimeMs: 1.9 },
    });
    expect(outcome.violations).toEqual([]);
    expect(outcome).toMatchObject({ failure: 'ERR_NOT_CONVERGING', source: 'running' });
    expect(stalls(outcome)).toEqual([20, 40, 60, 80, 90, 99].map((share) => `throttle ${share} %`));
    expect(outcome.slowedBy).toBe(0);
  });
});

function stalls({ events }: Outcome): string[] {
  return events.flatMap((event) => (event.type === 'stalled' ? [event.action] : []));
}

describe('a last round that grows', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'is given back in time, and tried again (%s)',
    async (tracker) => {
      for (const seed of seeds) {
        const outcome = await simulate({
          ...base,
          seed,
          tracker,
          writes: () => 0,
          // Twice nearly all memory is written in the very moment of the pause: 64 pages would take 60 ms.
          writesAtPause: (attempt) => (attempt <= 2 ? 60 : 0),
        });
        expectPromiseKept(outcome);
        expect(outcome).toMatchObject({ completed: true, retreats: 2 });
      }
    },
  );

  it('is known to be too long before it is sent, where the tracker is exact', async () => {
    const outcome = await simulate({
      ...base,
      writes: () => 0,
      writesAtPause: (attempt) => (attempt === 1 ? 60 : 0),
    });
    expect(outcome.retreats).toBe(1);
    expect(outcome.pauses[0]).toBeLessThan(limitMs / 2);
  });

  it('each time is given up after three tries, and the guest runs on', async () => {
    const outcome = await simulate({ ...base, writes: () => 0, writesAtPause: () => 60 });
    expectPromiseKept(outcome);
    expect(outcome).toMatchObject({
      failure: 'ERR_NOT_CONVERGING',
      source: 'running',
      retreats: 3,
    });
  });
});

describe('a pause that nobody foresaw', () => {
  it.each([0, 5, 10, 20, 25, 28, 29, 30, 31, 35, 60, 300])(
    'of %d ms at the destination is over, or given back, within one and a half times the limit',
    async (loadMs) => {
      const outcome = await simulate({ ...base, writes: () => 0, loadMs });
      expectPromiseKept(outcome);
      expect(outcome.completed).toBe(loadMs < 27);
    },
  );

  it('is given back when READY comes too late, although no timer has fired yet', async () => {
    const outcome = await simulate({
      ...base,
      writes: () => 0,
      loadMs: 60,
      timersLateMs: 500,
    });
    expect(outcome.violations).toEqual([]);
    expect(outcome.completed).toBe(false);
    expect(outcome.retreats).toBe(3);
  });
});
