import type { Guest } from '../guests/guest.js';
import { inTime } from '../guests/in-time.js';
import type { OwnerRecord } from '../lease/owner-record.js';
import type { Suspicion } from './suspicion.js';

/** What a standby knows that may take over: nobody is alive, it is in sync, and promised nothing. */
export interface DecisionContext {
  readonly name: string;
  readonly member: string;
  readonly record: OwnerRecord;
  /** The last epoch it has whole, of the owner with that token. */
  readonly token: bigint;
  readonly epoch: number;
  /** Since that arrived, milliseconds. */
  readonly ageMs: number;
  /** Why the owner is suspected. */
  readonly reasons: readonly Suspicion[];
}

/**
 * What is to be done: `promote` takes over; `wait` asks again later; `notify` too, and tells `undecided`. A guest, such as `restoreGuest` makes of a snapshot: takes over with that one
 * instead of the copy, and what happened since is lost; copies of others do not count any more. It has to stand still.
 */
export type Decision = 'promote' | 'wait' | 'notify' | { readonly restored: Guest };

export type Decide = (context: DecisionContext) => Decision | Promise<Decision>;

/** How long it may take. */
const decisionMs = 10_000;

/** What is decided; `wait` and why, where nothing is. */
export async function decided(
  decide: Decide,
  context: DecisionContext,
): Promise<{ readonly decision: Decision; readonly message?: string }> {
  const late = (): Error => new Error(`nothing was decided within ${decisionMs} ms`);
  try {
    const asked = Promise.resolve().then(() => decide(context));
    const decision = await inTime(asked, decisionMs, late);
    if (decision === 'promote' || decision === 'wait') return { decision };
    if (typeof decision === 'object' && decision.restored !== undefined) return { decision };
    const message = decision === 'notify' ? 'somebody has to decide' : `decided ${decision}`;
    return { decision: 'notify', message };
  } catch (error) {
    return { decision: 'wait', message: (error as Error)?.message ?? `${error}` };
  }
}
