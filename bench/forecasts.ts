import { percentile } from './percentile.js';

/** Something that was predicted, and what it became. */
export interface Forecasted {
  readonly predicted: number;
  readonly actual: number;
}

/** How far predictions were off: relative to what came, in percent, and as it is. `near`: the percentage of them that were near enough. */
export interface Misses {
  readonly medianPercent: number;
  readonly p90Percent: number;
  readonly median: number;
  readonly p90: number;
  readonly near: number;
}

/** A prediction is near enough within `percent` of what came, or within `slack`. */
export function missesOf(
  forecasts: readonly Forecasted[],
  { percent, slack }: { readonly percent: number; readonly slack: number },
): Misses {
  const misses = forecasts.map(({ predicted, actual }) => Math.abs(predicted - actual));
  const percents = forecasts.map(({ actual }, at) => ((misses[at] ?? 0) / actual) * 100);
  const near = percents.filter((each, at) => each <= percent || (misses[at] ?? 0) <= slack);
  return {
    medianPercent: percentile(percents, 0.5),
    p90Percent: percentile(percents, 0.9),
    median: percentile(misses, 0.5),
    p90: percentile(misses, 0.9),
    near: (near.length / forecasts.length) * 100,
  };
}
