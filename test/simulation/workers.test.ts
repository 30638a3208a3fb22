import { describe, expect, it } from 'vitest';
import { type Outcome, type Scenario, simulate } from './world.js';

/** 1: every place. PAGEFERRY_CUT_STRIDE makes a sample of it. */
const everyPlace = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1);
const minutes = 60_000;

/** Half of its 1200 pages are one worker's, half the other's. */
const spread: Scenario = {
  seed: 5,
  pages: 1200,
  tracker: 'marks',
  fresh: true,
  sparse: true,
  stateBytes: 40,
  options: { workers: 2, compression: 'never' },
};

const dense: Scenario = { ...spread, sparse: false, fresh: false, writeEveryMs: 3 };

const moved: Partial<Outcome> = {
  completed: true,
  source: 'paused',
  destination: 'running',
  violations: [],
};

describe('a migration captured by workers', () => {
  it.each(['marks', 'hash', 'compare'] as const)('completes with %s', async (tracker) => {
    for (const fresh of [true, false]) {
      for (const connections of [1, 2]) {
        const options = { ...dense.options, connections };
        const outcome = await simulate({ ...dense, tracker, fresh, options });
        expect(outcome).toMatchObject(moved);
        expect(outcome.workerNews).toBeGreaterThan(10);
        expect(outcome.report?.repaired).toBe(0);
      }
    }
  });

  it('completes with frames that are compressed', async () => {
    const options = { workers: 3, compression: 'always' as const };
    expect(await simulate({ ...dense, options })).toMatchObject(moved);
  });

  it('follows a region that grows', async () => {
    for (const latencyMs of [0.1, 3]) {
      expect(await simulate({ ...dense, latencyMs, growEveryMs: 2 })).toMatchObject(moved);
    }
  });

  it('repairs memory that changed by itself', async () => {
    const outcome = await simulate({ ...dense, decays: true, decayAfterAcks: 13 });
    expect(outcome).toMatchObject(moved);
    expect(outcome.report?.repaired).toBe(1);
  });

  it.each(['marks', 'compare'] as const)(
    'gives back pauses that would overrun their limit, and loses nothing (%s)',
    async (tracker) => {
      const outcome = await simulate({
        ...dense,
        tracker,
        bytesPerTurn: 20_000,
        writesPages: true,
        writesAtPause: (attempt) => (attempt <= 2 ? 1000 : 0),
        options: { ...dense.options, maxDowntimeMs: 10, settle: 'first' },
      });
      expect(outcome).toMatchObject({ ...moved, retreats: 2 });
    },
  );

  it(
    'runs on at the source, whichever worker is lost, and whenever',
    async () => {
      const whole = await simulate(spread);
      expect(whole).toMatchObject(moved);
      const failures = new Set<string | undefined>();
      for (let at = 1; at <= whole.workerNews; at += Math.ceil(everyPlace / 10)) {
        const outcome = await simulate({ ...spread, workerLostAt: at });
        expect(outcome.violations).toEqual([]);
        failures.add(outcome.failure);
        if (outcome.failure !== undefined) expect(outcome.source).toBe('running');
      }
      expect([...failures]).toContain('ERR_GUEST');
      // It may be lost when nothing is left for it to do.
      for (const failure of failures) expect(['ERR_GUEST', undefined]).toContain(failure);
    },
    10 * minutes,
  );

  it(
    'never runs twice and never loses a byte, wherever the link is cut',
    async () => {
      const { deliveredBytes } = await simulate(spread);
      const stride = Math.ceil((deliveredBytes / 150) * everyPlace);
      for (let cut = 1; cut <= deliveredBytes; cut += stride) {
        const { violations } = await simulate({ ...spread, cutAfterBytes: cut });
        expect(violations).toEqual([]);
      }
    },
    10 * minutes,
  );
});
