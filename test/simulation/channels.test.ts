import { describe, expect, it } from 'vitest';
import { type Scenario, simulate } from './world.js';

/** 1: every byte position. PAGEFERRY_CUT_STRIDE makes a sample of it. */
const everyByte = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1);
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const minutes = 60_000;

/** Pages on every channel, which take 64 or 256 of them in turn. */
function spread(connections: number): Scenario {
  return {
    seed: 5,
    pages: 256 * (connections - 1) + 4,
    tracker: 'marks',
    fresh: true,
    sparse: true,
    stateBytes: 40,
    options: { connections },
  };
}

const dense: Scenario = {
  ...spread(3),
  pages: 700,
  sparse: false,
  fresh: false,
  writeEveryMs: 3,
};

describe('a migration over several channels', () => {
  it.each([2, 3])('sends pages on each of %d, and completes with every tracker', async (count) => {
    for (const tracker of ['marks', 'hash', 'compare'] as const) {
      for (const fresh of [true, false]) {
        const outcome = await simulate({ ...spread(count), tracker, fresh, writeEveryMs: 3 });
        expect(outcome).toMatchObject({
          completed: true,
          source: 'paused',
          destination: 'running',
          violations: [],
        });
        expect(outcome.pagesFrames).toHaveLength(count);
        expect(Math.min(...outcome.pagesFrames)).toBeGreaterThan(0);
        expect(outcome.report?.repaired).toBe(0);
      }
    }
  });

  it('balances them: none sends twice what another does', async () => {
    const { pagesFrames } = await simulate({ ...dense, pages: 256 * 6 });
    expect(Math.max(...pagesFrames)).toBeLessThan(2 * Math.min(...pagesFrames));
  });

  it('waits for pages that PREPARE has overtaken', async () => {
    for (const pagesLatencyMs of [1, 5, 20]) {
      const outcome = await simulate({ ...dense, pagesLatencyMs });
      expect(outcome).toMatchObject({ completed: true, violations: [] });
    }
  });

  it('lets no page overtake the growth of its region, nor the other way round', async () => {
    for (const pagesLatencyMs of [0.1, 3]) {
      for (const latencyMs of [0.1, 3]) {
        const scenario = { ...spread(3), pages: 510, latencyMs, pagesLatencyMs, growEveryMs: 2 };
        const outcome = await simulate(scenario);
        expect(outcome).toMatchObject({ completed: true, violations: [] });
      }
    }
  });

  it('repairs memory that changed by itself', async () => {
    // The sixth frame of channel 0 brings page 132, the one in the middle; the tenth is the last.
    const outcome = await simulate({ ...dense, pages: 264, decays: true, decayAfterAcks: 7 });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(outcome.report?.repaired).toBe(1);
  });

  it('gives a pause back that would overrun its limit, on channels that stay', async () => {
    const outcome = await simulate({
      ...dense,
      pagesLatencyMs: 20,
      options: { connections: 3, maxDowntimeMs: 10, settle: 'first', onStall: 'cancel' },
    });
    expect(outcome.violations).toEqual([]);
    expect(outcome.retreats).toBeGreaterThan(0);
    expect(outcome.source).toBe('running');
    expect(outcome.failure).toBe('ERR_NOT_CONVERGING');
  });

  it('ends with a code where the destination takes fewer of them', async () => {
    const outcome = await simulate({ ...spread(3), maxConnections: 2 });
    expect(outcome).toMatchObject({
      failure: 'ERR_OUT_OF_RANGE',
      source: 'running',
      destination: 'stopped',
      violations: [],
    });
  });
});

describe('a migration over several channels of which one is cut', () => {
  it.each([
    [2, 0],
    [2, 1],
    [3, 0],
    [3, 1],
    [3, 2],
  ])(
    'of %d, number %d: never runs twice, never loses a byte, and ends in a stated phase, wherever it is cut',
    async (connections, cutConnection) => {
      const scenario = { ...spread(connections), cutConnection };
      const whole = await simulate(scenario);
      expect(whole.violations).toEqual([]);
      // The control channel by itself is cut at every byte in the other simulation.
      const sample = everyByte * (cutConnection === 0 ? 13 : 3);
      const stride = nightly ? 1 : Math.min(sample, Math.ceil(whole.deliveredBytes / 10));
      const ends = new Set<string>();
      const violations: string[] = [];
      for (let cut = 1; cut <= whole.deliveredBytes; cut += stride) {
        const outcome = await simulate({ ...scenario, cutAfterBytes: cut });
        ends.add(`${outcome.sourcePhase}/${outcome.destinationPhase}`);
        violations.push(...outcome.violations.map((what) => `cut at ${cut}: ${what}`));
      }
      expect(violations).toEqual([]);
      expect(ends.has('completed/running')).toBe(true);
      for (const end of ends) {
        expect(['completed/running', 'failed/aborted', 'failed/none']).toContain(end);
      }
    },
    10 * minutes,
  );
});
