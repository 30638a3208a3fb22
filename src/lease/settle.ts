import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { actOf, beginClaim, type ClaimEvent, type ClaimState, stepClaim } from './claim.js';
import type { LeaseProvider } from './provider.js';
import type { Swap } from './swap.js';

/** Between two questions that an engine did not answer. */
const againMs = 50;

/** What an engine says to what a change has to know next. `askedAt`: before the question left, on this process's monotone clock. */
export interface Answer {
  readonly event: ClaimEvent;
  readonly askedAt: number;
}

/** A claim that was decided; won, its lease began at `askedAt` at the earliest: long ago, where nobody knows. */
export interface Settled {
  readonly state: Extract<ClaimState, { phase: 'won' | 'lost' }>;
  readonly askedAt: number;
}

/** What tells a claim from all others. */
export function newClaim(): string {
  return randomBytes(16).toString('hex');
}

/** Asks until the claim is decided. `unanswered`: each time that the engine did not answer; what it throws ends it, undecided. */
export async function claim(
  lease: LeaseProvider,
  name: string,
  swap: Swap,
  unanswered: () => void = () => {},
): Promise<Settled> {
  let state = beginClaim(swap);
  for (;;) {
    const { event, askedAt } = await ask(lease, name, state);
    if (event.type === 'unanswered') unanswered();
    state = stepClaim(state, event);
    if (state.phase === 'lost' || (state.phase === 'won' && state.timely)) {
      return { state, askedAt };
    }
    if (state.phase === 'won') {
      // By a try nobody knows the time of: renewed before anything is done.
      const renewedAt = performance.now();
      const isRenewed = await lease.renew(name, swap.record.generation).catch(() => false);
      return { state, askedAt: isRenewed ? renewedAt : Number.NEGATIVE_INFINITY };
    }
  }
}

/** Asks the engine what the change has to know next. Without an answer it takes a moment. */
export async function ask(lease: LeaseProvider, guest: string, state: ClaimState): Promise<Answer> {
  const askedAt = performance.now();
  try {
    if (actOf(state) === 'read') {
      return { askedAt, event: { type: 'read', view: await lease.read(guest) } };
    }
    return { askedAt, event: { type: 'answered', outcome: await lease.swap(guest, state.swap) } };
  } catch (error) {
    // Whatever it is, nobody knows what became of it; what can never be is the caller's mistake.
    if (error instanceof RangeError || error instanceof TypeError) throw error;
    await sleep(againMs);
    return { askedAt, event: { type: 'unanswered' } };
  }
}
