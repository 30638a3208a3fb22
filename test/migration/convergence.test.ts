import { describe, expect, it } from 'vitest';
import {
  afterRetreat,
  type ConvergenceLimits,
  decide,
  noProgress,
  type Progress,
} from '../../src/migration/convergence.js';

const limits: ConvergenceLimits = {
  motion: 'pausable',
  maxDowntimeMs: 50,
  settle: 'best',
  onStall: 'cancel',
  stallRounds: 5,
  stallMs: 1000,
  maxRetreats: 3,
};

/** Five of them are a period. */
const roundMs = 200;

/** Feeds predictions round by round, each told in the round before, and gives what was decided. */
function run(
  predictions: readonly number[],
  changed: Partial<ConvergenceLimits> = {},
  from: Progress = noProgress,
): { readonly kinds: readonly string[]; readonly progress: Progress } {
  let progress = from;
  const kinds: string[] = [];
  for (const [at, predictedDowntimeMs] of predictions.entries()) {
    const next = decide(
      progress,
      {
        round: at + 1,
        predictedDowntimeMs,
        nextDowntimeMs: predictions[at + 1] ?? predictedDowntimeMs,
        pagesSent: 10,
        durationMs: roundMs,
        settled: true,
      },
      { ...limits, ...changed },
    );
    progress = next.progress;
    kinds.push(next.decision.kind);
    if (next.decision.kind !== 'next-round' && next.decision.kind !== 'throttle') break;
  }
  return { kinds, progress };
}

describe('decide', () => {
  it('goes on while a round still cuts the pause by a third, then switches over', () => {
    expect(run([40, 20, 10, 9]).kinds).toEqual(['next-round', 'next-round', 'switchover']);
  });

  it('takes the first fit where asked to', () => {
    expect(run([400, 49], { settle: 'first' }).kinds).toEqual(['next-round', 'switchover']);
  });

  it('takes the fit it has where the better one that was promised does not come', () => {
    let progress = noProgress;
    const kinds: string[] = [];
    for (let round = 1; round <= 7; round++) {
      const outcome = {
        round,
        predictedDowntimeMs: 40,
        nextDowntimeMs: 1,
        pagesSent: 5,
        durationMs: roundMs,
        settled: true,
      };
      const next = decide(progress, outcome, limits);
      progress = next.progress;
      kinds.push(next.decision.kind);
    }
    expect(kinds.indexOf('switchover')).toBe(5);
  });

  it('never switches over a guest whose pause does not fit', () => {
    expect(run([51, 51, 51]).kinds).not.toContain('switchover');
  });

  it('cancels after five rounds without a new minimum', () => {
    const { kinds } = run([100, 99, 99, 99, 99, 99, 99]);
    expect(kinds.at(-1)).toBe('give-up');
    expect(kinds).toHaveLength(6);
  });

  it('forces the switchover after a stall where asked to', () => {
    expect(run(new Array(7).fill(100), { onStall: 'force' }).kinds.at(-1)).toBe('switchover');
  });

  it('throttles step by step after stalls and gives up at the last step', () => {
    const { kinds, progress } = run(new Array(60).fill(100), { onStall: 'throttle' });
    expect(kinds.filter((kind) => kind === 'throttle')).toHaveLength(6);
    expect(kinds.at(-1)).toBe('give-up');
    expect(progress.throttle).toBe(0.99);
  });

  it('waits for the audit and the re-read, which do not count as a stall', () => {
    let progress = noProgress;
    for (let round = 1; round < 50; round++) {
      const next = decide(
        progress,
        {
          round,
          predictedDowntimeMs: 1,
          nextDowntimeMs: 1,
          pagesSent: 0,
          durationMs: roundMs,
          settled: false,
        },
        limits,
      );
      expect(next.decision.kind).toBe('next-round');
      progress = next.progress;
    }
    expect(progress.roundsSinceBest).toBe(0);
  });

  it('gives up on a re-read that never ends', () => {
    let progress = noProgress;
    let kind = 'next-round';
    let rounds = 0;
    for (; kind === 'next-round' && rounds < 20_000; rounds++) {
      const outcome = {
        predictedDowntimeMs: 1,
        nextDowntimeMs: 1,
        pagesSent: 0,
        durationMs: roundMs,
        settled: false,
      };
      const next = decide(progress, { ...outcome, round: rounds + 1 }, limits);
      progress = next.progress;
      kind = next.decision.kind;
    }
    expect(kind).toBe('give-up');
    expect(rounds).toBeGreaterThan(10_000);
  });

  it('copies what is still after one pass', () => {
    expect(run([1e6], { motion: 'still' }).kinds).toEqual(['switchover']);
  });

  it('copies what cannot be paused once a whole pass finds nothing new', () => {
    const unpausable = { ...limits, motion: 'unpausable' as const };
    const outcome = {
      predictedDowntimeMs: 1,
      nextDowntimeMs: 1,
      durationMs: roundMs,
      settled: true,
    };
    const first = decide(noProgress, { ...outcome, round: 1, pagesSent: 0 }, unpausable);
    expect(first.decision.kind).toBe('next-round');
    const second = decide(first.progress, { ...outcome, round: 2, pagesSent: 3 }, unpausable);
    expect(second.decision.kind).toBe('next-round');
    const third = decide(second.progress, { ...outcome, round: 3, pagesSent: 0 }, unpausable);
    expect(third.decision).toEqual({ kind: 'switchover', forced: false });
  });

  it('gives up following what never holds still', () => {
    const { kinds } = run(new Array(100).fill(10), { motion: 'unpausable' });
    expect(kinds.at(-1)).toBe('give-up');
  });
});

describe('a period without a new minimum', () => {
  it('is one of rounds and of time', () => {
    // 50 rounds of 20 ms are the first second.
    let progress = noProgress;
    let rounds = 0;
    for (let kind = 'next-round'; kind === 'next-round'; rounds++) {
      const outcome = {
        predictedDowntimeMs: 100,
        nextDowntimeMs: 100,
        pagesSent: 1,
        settled: true,
      };
      const next = decide(progress, { ...outcome, round: rounds + 1, durationMs: 20 }, limits);
      progress = next.progress;
      kind = next.decision.kind;
    }
    // Behind the first round, which set the minimum.
    expect(rounds).toBe(51);
  });

  it('is waited out where a pause had fitted: what comes and goes will be low again', () => {
    // 40 ms fitted, but promised to become 10; a burst of more than a period came instead.
    const low = { predictedDowntimeMs: 40, nextDowntimeMs: 10, pagesSent: 1, settled: true };
    const high = { ...low, predictedDowntimeMs: 80, nextDowntimeMs: 80 };
    let progress = noProgress;
    const kinds: string[] = [];
    for (const [at, outcome] of [low, high, high, high, high, high, high, low].entries()) {
      const timed = { ...outcome, round: at + 1, durationMs: roundMs };
      const next = decide(progress, timed, limits);
      progress = next.progress;
      kinds.push(next.decision.kind);
    }
    expect(kinds.at(-1)).toBe('switchover');
    expect(new Set(kinds.slice(0, -1))).toEqual(new Set(['next-round']));
  });

  it('is not waited out a second time', () => {
    const low = { predictedDowntimeMs: 40, nextDowntimeMs: 10, pagesSent: 1, settled: true };
    const high = { ...low, predictedDowntimeMs: 80, nextDowntimeMs: 80 };
    let progress = noProgress;
    let rounds = 0;
    for (let kind = 'next-round'; kind === 'next-round'; rounds++) {
      const outcome = rounds === 0 ? low : high;
      const next = decide(progress, { ...outcome, round: rounds + 1, durationMs: roundMs }, limits);
      progress = next.progress;
      kind = next.decision.kind;
    }
    expect(rounds).toBeGreaterThan(6);
    expect(rounds).toBeLessThanOrEqual(11);
  });

  it('keeps no more rounds than make it up', () => {
    let progress = noProgress;
    for (let round = 1; round < 500; round++) {
      const outcome = {
        predictedDowntimeMs: round,
        nextDowntimeMs: 1,
        pagesSent: 1,
        settled: false,
      };
      progress = decide(progress, { ...outcome, round, durationMs: 20 }, limits).progress;
    }
    expect(progress.recent).toHaveLength(100);
  });
});

describe('afterRetreat', () => {
  it('rests two rounds, then four, then asks the policy', () => {
    const first = afterRetreat(noProgress, limits);
    expect(first.decision.kind).toBe('next-round');
    expect(first.progress.holdRounds).toBe(2);
    expect(run([1, 1, 1, 1], {}, first.progress).kinds).toEqual([
      'next-round',
      'next-round',
      'switchover',
    ]);
    const second = afterRetreat(first.progress, limits);
    expect(second.progress.holdRounds).toBe(4);
    expect(afterRetreat(second.progress, limits).decision.kind).toBe('give-up');
    expect(afterRetreat(second.progress, { ...limits, onStall: 'force' }).decision).toEqual({
      kind: 'switchover',
      forced: true,
    });
  });
});
