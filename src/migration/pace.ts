import { type BudgetShare, ByteBudget } from './byte-budget.js';
import type { Clock } from './clock.js';
import type { ResolvedOptions } from './options.js';

/** A frame is at most what its budget carries in so long, so that it is spent evenly; but not so small that frames measure nothing. */
const frameMs = 20;
const smallestFrameBytes = 64 * 1024;

/** Bytes a second that live rounds may leave with at most, whatever the link carries. Infinity: no ceiling. */
export function ceilingOf({
  bytesPerSecond,
  budget,
}: Pick<ResolvedOptions, 'bytesPerSecond' | 'budget'>): number {
  return Math.min(bytesPerSecond, budget?.bytesPerSecond ?? Number.POSITIVE_INFINITY);
}

/** Holds live rounds below `bytesPerSecond`, and below the part of the shared budget that is theirs. */
export class Pace {
  readonly #shares: readonly BudgetShare[];
  readonly #mostFrameBytes: number;

  constructor({ bytesPerSecond, budget }: ResolvedOptions, clock: Clock) {
    const budgets = [
      ...(bytesPerSecond === Number.POSITIVE_INFINITY
        ? []
        : [new ByteBudget(bytesPerSecond, clock)]),
      ...(budget === undefined ? [] : [budget]),
    ];
    this.#shares = budgets.map((each) => each.share());
    const slowest = Math.min(...budgets.map((each) => each.bytesPerSecond));
    this.#mostFrameBytes = Math.max(smallestFrameBytes, (slowest * frameMs) / 1000);
  }

  /** Payload of the next frame, where the link could carry one of `bytes`. */
  frameBytes(bytes: number): number {
    return Math.min(bytes, this.#mostFrameBytes);
  }

  /** Waits until so many bytes may leave. False if nobody is `wanted` to wait any more. */
  async take(bytes: number, wanted: () => boolean): Promise<boolean> {
    for (const share of this.#shares) {
      if (!(await share.take(bytes, wanted))) return false;
    }
    return true;
  }
}
