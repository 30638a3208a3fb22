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
  maxRetreats: 3,
};

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
        { round, predictedDowntimeMs: 1, nextDowntimeMs: 1, pagesSent: 0, settled: false },
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
      const outcome = { predictedDowntimeMs: 1, nextDowntimeMs: 1, pagesSent: 0, settled: false };
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
    const outcome = { predictedDowntimeMs: 1, nextDowntimeMs: 1, settled: true };
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
