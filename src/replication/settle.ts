import { setTimeout as sleep } from 'node:timers/promises';
import type { ClaimState } from '../lease/claim.js';
import { actOf, type ClaimEvent } from '../lease/claim.js';
import type { LeaseProvider } from '../lease/provider.js';

/** Between two questions that an engine did not answer. */
const againMs = 50;

/** What an engine says to what a change has to know next. `askedAt`: before the question left, on this process's monotone clock. */
export interface Answer {
  readonly event: ClaimEvent;
  readonly askedAt: number;
}

/** Asks the engine what the change has to know next. Undefined where it is decided. Without an answer it takes a moment. */
export async function ask(
  lease: LeaseProvider,
  guest: string,
  state: ClaimState,
): Promise<Answer | undefined> {
  const askedAt = performance.now();
  try {
    switch (actOf(state)) {
      case 'swap':
        return {
          askedAt,
          event: { type: 'answered', outcome: await lease.swap(guest, state.swap) },
        };
      case 'read':
        return { askedAt, event: { type: 'read', view: await lease.read(guest) } };
      default:
        return undefined;
    }
  } catch (error) {
    // Whatever it is, nobody knows what became of it; what can never be is the caller's mistake.
    if (error instanceof RangeError || error instanceof TypeError) throw error;
    await sleep(againMs);
    return { askedAt, event: { type: 'unanswered' } };
  }
}
