import type { StallPolicy } from './options.js';

/** What a live round told us. */
export interface RoundOutcome {
  /** Counts from 1. */
  readonly round: number;
  /** Pause to expect if we switched over now, milliseconds. */
  readonly predictedDowntimeMs: number;
  /** Pause to expect after one more round. */
  readonly nextDowntimeMs: number;
  /** Pages this round sent. */
  readonly pagesSent: number;
  readonly durationMs: number;
  /** False while the audit or the destination's full re-read has pages left to look at. */
  readonly settled: boolean;
}

/**
 * How the guest's bytes move: `pausable` guests are stopped for the last pages; `unpausable` things are followed until a whole pass
 * finds what the pass before found; `still` ones do not change at all and need one pass.
 */
export type Motion = 'pausable' | 'unpausable' | 'still';

export interface ConvergenceLimits {
  readonly motion: Motion;
  readonly maxDowntimeMs: number;
  /** `best`: go on while a round still cuts the pause by a third; `first`: take the first fit. */
  readonly settle: 'best' | 'first';
  readonly onStall: StallPolicy;
  /** So many rounds and so many milliseconds, both, without a new minimum are a stall: the period. */
  readonly stallRounds: number;
  readonly stallMs: number;
  /** Switchovers given back because they overran, before the policy is asked. */
  readonly maxRetreats: number;
}

/** What the decision remembers of the rounds before. */
export interface Progress {
  readonly rounds: number;
  readonly bestMs: number;
  readonly roundsSinceBest: number;
  readonly msSinceBest: number;
  /** Predictions of the last two periods, oldest first. */
  readonly recent: readonly { readonly predictedMs: number; readonly durationMs: number }[];
  /** Rounds in a row at whose end audit or re-read were not done. */
  readonly unsettledRounds: number;
  readonly retreats: number;
  /** Rounds to wait after a retreat. */
  readonly holdRounds: number;
  /** Share of its speed the guest has lost, 0 to 0.99. */
  readonly throttle: number;
}

export const noProgress: Progress = {
  rounds: 0,
  bestMs: Number.POSITIVE_INFINITY,
  roundsSinceBest: 0,
  msSinceBest: 0,
  recent: [],
  unsettledRounds: 0,
  retreats: 0,
  holdRounds: 0,
  throttle: 0,
};

export type Decision =
  | { readonly kind: 'next-round' }
  | { readonly kind: 'switchover'; readonly forced: boolean }
  | { readonly kind: 'throttle'; readonly fraction: number }
  | { readonly kind: 'give-up' };

/** A new minimum must be this much better, so that creeping noise cannot postpone a stall for ever. */
const improvement = 0.95;
/** One more round is worth it if it leaves at most this share of the pause. */
const worthwhile = 2 / 3;
/** Some five minutes at the least: a destination whose re-read never ends is not worth waiting for. */
const mostUnsettledRounds = 15_000;
const throttleSteps = [0.2, 0.4, 0.6, 0.8, 0.9, 0.99] as const;

/** Picks the next step after a live round, and what to remember of it. Pure: no clock, no guest. */
export function decide(
  before: Progress,
  outcome: RoundOutcome,
  limits: ConvergenceLimits,
): { readonly decision: Decision; readonly progress: Progress } {
  const predicted = outcome.predictedDowntimeMs;
  const better =
    predicted < before.bestMs * improvement || before.bestMs === Number.POSITIVE_INFINITY;
  const progress: Progress = {
    ...before,
    rounds: outcome.round,
    bestMs: better ? predicted : before.bestMs,
    roundsSinceBest: better || !outcome.settled ? 0 : before.roundsSinceBest + 1,
    msSinceBest: better || !outcome.settled ? 0 : before.msSinceBest + outcome.durationMs,
    recent: recentRounds(before, outcome, limits),
    unsettledRounds: outcome.settled ? 0 : before.unsettledRounds + 1,
    holdRounds: Math.max(0, before.holdRounds - 1),
  };
  if (limits.motion === 'still')
    return { decision: { kind: 'switchover', forced: false }, progress };
  if (!outcome.settled) {
    const kind = progress.unsettledRounds < mostUnsettledRounds ? 'next-round' : 'give-up';
    return { decision: { kind }, progress };
  }
  if (limits.motion === 'unpausable')
    return { decision: follow(progress, outcome, limits), progress };
  if (before.holdRounds > 0) return { decision: { kind: 'next-round' }, progress };

  const fits = predicted <= limits.maxDowntimeMs;
  const shrinking = outcome.nextDowntimeMs <= predicted * worthwhile;
  const stalled =
    progress.roundsSinceBest >= limits.stallRounds && progress.msSinceBest >= limits.stallMs;
  if (fits && (limits.settle === 'first' || !shrinking || stalled)) {
    return { decision: { kind: 'switchover', forced: false }, progress };
  }
  // What comes and goes will be low again: one that fitted lately is worth waiting for, until it is two periods old.
  if (fits || !stalled || lowestOf(progress) <= limits.maxDowntimeMs) {
    return { decision: { kind: 'next-round' }, progress };
  }
  return byPolicy(progress, limits);
}

/** The newest rounds that make up two periods, this one included. */
function recentRounds(
  before: Progress,
  { predictedDowntimeMs, durationMs }: RoundOutcome,
  limits: ConvergenceLimits,
): Progress['recent'] {
  const rounds = [...before.recent, { predictedMs: predictedDowntimeMs, durationMs }];
  const lastsMs = (from: number): number =>
    rounds.slice(from).reduce((sum, round) => sum + round.durationMs, 0);
  let from = 0;
  while (rounds.length - from > 2 * limits.stallRounds && lastsMs(from + 1) >= 2 * limits.stallMs)
    from += 1;
  return rounds.slice(from);
}

/** The smallest prediction of the last two periods. */
export function lowestOf({ recent }: Progress): number {
  return Math.min(...recent.map(({ predictedMs }) => predictedMs));
}

/** What the policy says once waiting has no point any more: after a stall, or after too many retreats. */
export function byPolicy(
  progress: Progress,
  limits: ConvergenceLimits,
): { readonly decision: Decision; readonly progress: Progress } {
  if (limits.onStall === 'force')
    return { decision: { kind: 'switchover', forced: true }, progress };
  if (limits.onStall === 'cancel') return { decision: { kind: 'give-up' }, progress };
  const fraction = throttleSteps.find((step) => step > progress.throttle);
  if (fraction === undefined) return { decision: { kind: 'give-up' }, progress };
  return {
    decision: { kind: 'throttle', fraction },
    progress: {
      ...progress,
      throttle: fraction,
      bestMs: Number.POSITIVE_INFINITY,
      roundsSinceBest: 0,
      msSinceBest: 0,
      recent: [],
    },
  };
}

/** After a switchover that was given back: two rounds' rest, doubling; then the policy. */
export function afterRetreat(
  before: Progress,
  limits: ConvergenceLimits,
): { readonly decision: Decision; readonly progress: Progress } {
  const retreats = before.retreats + 1;
  const progress: Progress = {
    ...before,
    retreats,
    holdRounds: 2 ** retreats,
  };
  if (retreats < limits.maxRetreats) return { decision: { kind: 'next-round' }, progress };
  return byPolicy({ ...progress, retreats: 0 }, limits);
}

function follow(progress: Progress, outcome: RoundOutcome, limits: ConvergenceLimits): Decision {
  if (outcome.round > 1 && outcome.pagesSent === 0) return { kind: 'switchover', forced: false };
  // Nobody can be slowed or stopped here: an early give-up would only cost the user a second try.
  return progress.roundsSinceBest < limits.stallRounds * 4
    ? { kind: 'next-round' }
    : { kind: 'give-up' };
}
