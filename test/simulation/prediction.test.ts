import { describe, expect, it } from 'vitest';
import { type Outcome, type Scenario, simulate } from './world.js';

/** 4 MB/s, 2 ms there and back; virtual time, in which nothing but the link costs any. */
const slow: Scenario = {
  seed: 11,
  pages: 64,
  tracker: 'marks',
  latencyMs: 1,
  bytesPerTurn: 4000,
  writeEveryMs: 2,
  options: { maxDowntimeMs: 50 },
};

function roundsOf({ events }: Outcome) {
  return events.filter((event) => event.type === 'round');
}

describe('a prediction in virtual time', () => {
  it.each(['marks', 'hash'] as const)(
    'comes close to what a slow link makes of the pause (%s)',
    async (tracker) => {
      for (const writeEveryMs of [0.2, 1, 5]) {
        const outcome = await simulate({ ...slow, tracker, writeEveryMs });
        expect(outcome).toMatchObject({ completed: true, violations: [] });
        const { prediction, downtimeMs } = outcome.report ?? {};
        const error = Math.abs((prediction?.totalMs ?? 0) - (downtimeMs ?? 0));
        expect(error).toBeLessThan(Math.max(3, 0.3 * (downtimeMs ?? 0)));
      }
    },
  );

  it('is made for each round before, and measured after, from the second on', async () => {
    const outcome = await simulate({ ...slow, writeEveryMs: 0.2 });
    const [first, ...later] = roundsOf(outcome);
    expect(first?.predictedWorkMs).toBeNull();
    // 64 pages, a quarter of them whole, another half at least 1 KiB: 4 bytes a microsecond.
    expect(first?.workMs).toBeGreaterThan(16);
    expect(later.length).toBeGreaterThan(0);
    for (const { predictedWorkMs, workMs, durationMs } of later) {
      expect(predictedWorkMs).toBeGreaterThan(0);
      expect(workMs).toBeGreaterThan(0);
      // The rest to the shortest round is no work.
      expect(workMs).toBeLessThan(durationMs);
    }
    expect(outcome.report?.prediction?.roundsScored).toBe(later.length);
  });

  it('does not count what the ceiling of the rate makes a round wait for', async () => {
    const paced = { ...slow.options, bytesPerSecond: 400_000 };
    const outcome = await simulate({ ...slow, writeEveryMs: 1, options: paced });
    const [first] = roundsOf(outcome);
    expect(first?.durationMs).toBeGreaterThan(3 * (first?.workMs ?? 0));
  });

  it('says what it is made of, in parts that add up', async () => {
    const { report } = await simulate(slow);
    const { prediction } = report ?? {};
    if (prediction === undefined || prediction === null) throw new Error('no prediction');
    const { pauseMs, copyMs, stateMs, verifyMs, tripsMs, totalMs } = prediction;
    expect(pauseMs + copyMs + stateMs + verifyMs + tripsMs).toBeCloseTo(totalMs, 9);
    expect(totalMs).toBe(report?.predictedDowntimeMs);
    expect(prediction.pages).toBeGreaterThan(0);
    expect(prediction.wireBytes).toBeGreaterThan(0);
  });
});
