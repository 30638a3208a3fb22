/** How much of a lease's time its holder uses: the rest is for clocks that run differently. */
export const usedShare = 0.9;

/**
 * Until when a holder acts without asking: times are of its own monotone clock, milliseconds. Nothing leaves it at `until` or later.
 */
export interface Holding {
  readonly token: bigint;
  readonly until: number;
}

/** A renewal that was asked for at `askedAt`, before the request left, was confirmed. When the answer came does not matter: the lease may have begun long before. */
export function renewed(holding: Holding, askedAt: number, ttlMs: number): Holding {
  return { ...holding, until: Math.max(holding.until, askedAt + usedShare * ttlMs) };
}

/** Members that all claims have to come from promised, in answers to what left at `askedAt`, not to claim for `promiseMs`: as good as a lease, and no engine is needed. */
export function promised(holding: Holding, askedAt: number, promiseMs: number): Holding {
  return renewed(holding, askedAt, promiseMs);
}

/** Asked before every call of the guest, every import and every output. */
export function mayAct({ until }: Holding, now: number): boolean {
  return now < until;
}
