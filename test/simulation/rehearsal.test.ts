import { describe, expect, it } from 'vitest';
import { type Scenario, simulate } from './world.js';

const everyByte = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1);
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const minutes = 60_000;

const rehearsed: Scenario = {
  seed: 5,
  pages: 3,
  tracker: 'marks',
  fresh: true,
  stateBytes: 6000,
  rehearsable: true,
  writeEveryMs: 3,
};

describe('a state rehearsed while the guest runs', () => {
  it('is there at the end as it was at the pause, whatever changed since', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const outcome = await simulate({ ...rehearsed, seed, stateBytes: 200_000 });
      expect(outcome).toMatchObject({ completed: true, violations: [] });
    }
  });

  it('makes the last one as short as what changed in it', async () => {
    // 2 MB/s: a state of 200,000 bytes would take 100 ms.
    const slow: Scenario = {
      ...rehearsed,
      stateBytes: 200_000,
      latencyMs: 0.5,
      bytesPerTurn: 1000,
    };
    const outcome = await simulate({ ...slow, options: { maxDowntimeMs: 30 } });
    expect(outcome).toMatchObject({ completed: true, violations: [], retreats: 0 });
    expect(outcome.report?.downtimeMs).toBeLessThan(20);
    const whole = await simulate({ ...slow, rehearsable: false, options: { maxDowntimeMs: 1000 } });
    expect(whole.report?.downtimeMs).toBeGreaterThan(100);
  });

  it('makes it known how long loading it takes, before the guest stands still', async () => {
    for (const loadMs of [0, 40]) {
      const outcome = await simulate({ ...rehearsed, loadMs });
      expect(outcome.report?.prediction?.stateMs).toBeCloseTo(loadMs, 6);
      const { downtimeMs, predictedDowntimeMs } = outcome.report ?? {};
      expect(Math.abs((downtimeMs ?? 0) - (predictedDowntimeMs ?? 0))).toBeLessThan(3);
    }
  });

  it('keeps a guest from being paused whose state takes too long to load', async () => {
    const outcome = await simulate({ ...rehearsed, loadMs: 150 });
    expect(outcome).toMatchObject({ failure: 'ERR_NOT_CONVERGING', retreats: 0, pauses: [] });
  });

  it('stays the base when a pause is given back', async () => {
    const outcome = await simulate({
      ...rehearsed,
      latencyMs: 0.5,
      bytesPerTurn: 2000,
      options: { maxDowntimeMs: 20 },
      writesPages: true,
      writeEveryMs: 10,
      pages: 32,
      writesAtPause: (attempt) => (attempt <= 2 ? 60 : 0),
    });
    expect(outcome).toMatchObject({ completed: true, retreats: 2, violations: [] });
  });

  it(
    'survives a cut at any byte as every migration does',
    async () => {
      const small = { ...rehearsed, stateBytes: 100 };
      const whole = await simulate(small);
      expect(whole.violations).toEqual([]);
      const stride = nightly ? 1 : 7 * everyByte;
      for (let cut = 1; cut <= whole.deliveredBytes; cut += stride) {
        const outcome = await simulate({ ...small, cutAfterBytes: cut });
        expect(outcome.violations, `cut at ${cut}`).toEqual([]);
      }
    },
    10 * minutes,
  );

  it(
    'never takes a flipped bit for something else',
    async () => {
      const small = { ...rehearsed, stateBytes: 100 };
      const { deliveredBytes } = await simulate(small);
      for (const from of ['source', 'destination'] as const) {
        for (let byte = 0; byte < deliveredBytes; byte += nightly ? 1 : 29 * everyByte) {
          const outcome = await simulate({ ...small, flip: { from, byte } });
          expect(outcome.violations, `${from} ${byte}`).toEqual([]);
        }
      }
    },
    10 * minutes,
  );
});
