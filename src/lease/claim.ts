import { isSameRecord } from './owner-record.js';
import type { LeaseView, Swap, SwapOutcome } from './swap.js';

/**
 * One change of the record on its way, by one member: the claim of a migration's destination against the revision named in COMMIT, the reclaim of
 * its source against the same, a standby's takeover, or an owner's change of who is in sync.
 *
 *     asked --won--> won                        doubtful --read: it is ours--> won
 *     asked --lost--> lost                      doubtful --read: another's revision--> lost
 *     asked --no answer--> doubtful             doubtful --read: as expected--> asked (again)
 *
 * A swap without an answer may still happen for as long as the revision is the expected one. So nobody gives up there: it is asked for again, until one of
 * the two has happened, or somebody else's change has made both impossible.
 */
export type ClaimState =
  | { readonly phase: 'asked'; readonly swap: Swap; readonly open: boolean }
  | { readonly phase: 'doubtful'; readonly swap: Swap; readonly open: true }
  /** `timely`: by the try that was answered, so that its lease did not begin before that left; else an earlier one, and nobody knows when. */
  | {
      readonly phase: 'won';
      readonly swap: Swap;
      readonly revision: bigint;
      readonly timely: boolean;
    }
  | { readonly phase: 'lost'; readonly swap: Swap; readonly view: LeaseView };

export type ClaimEvent =
  | { readonly type: 'answered'; readonly outcome: SwapOutcome }
  /** The swap, or the read, ended without an answer. */
  | { readonly type: 'unanswered' }
  | { readonly type: 'read'; readonly view: LeaseView };

/** What is to be done next: a swap, or a read; undefined: it is decided. */
export type ClaimAct = 'swap' | 'read' | undefined;

/** `open`: whether an earlier swap may still happen. */
export function beginClaim(swap: Swap): ClaimState {
  return { phase: 'asked', swap, open: false };
}

export function actOf(state: ClaimState): ClaimAct {
  switch (state.phase) {
    case 'asked':
      return 'swap';
    case 'doubtful':
      return 'read';
    case 'won':
    case 'lost':
      return undefined;
    default:
      return state satisfies never;
  }
}

/** TypeError for an event that cannot be where it is. */
export function stepClaim(state: ClaimState, event: ClaimEvent): ClaimState {
  const { swap } = state;
  if (state.phase === 'asked' && event.type === 'answered') {
    const { outcome } = event;
    if (outcome.type === 'won') {
      return { phase: 'won', swap, revision: outcome.revision, timely: true };
    }
    return settle(state, outcome.view);
  }
  if (state.phase === 'asked' && event.type === 'unanswered') {
    return { phase: 'doubtful', swap, open: true };
  }
  if (state.phase === 'doubtful' && event.type === 'unanswered') return state;
  if (state.phase === 'doubtful' && event.type === 'read') {
    const settled = settle(state, event.view);
    return settled.phase === 'doubtful' ? { phase: 'asked', swap, open: true } : settled;
  }
  throw new TypeError(`${event.type} while ${state.phase}`);
}

/** What the engine's word makes of a swap that did not happen now. */
function settle(
  { swap, open }: Extract<ClaimState, { readonly open: boolean }>,
  view: LeaseView,
): ClaimState {
  const isMoved = view.revision !== swap.expected;
  if (open && isMoved && isSameRecord(view.record, swap.record)) {
    return { phase: 'won', swap, revision: view.revision, timely: false };
  }
  // As expected, and refused for somebody's lease: an earlier one may happen when that has run out.
  if (open && !isMoved) return { phase: 'doubtful', swap, open };
  return { phase: 'lost', swap, view };
}
