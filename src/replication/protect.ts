import { randomBytes } from 'node:crypto';
import type { Guest } from '../guests/guest.js';
import { renewed } from '../lease/holding.js';
import { claimed, withInSync } from '../lease/owner-record.js';
import { claim, newClaim } from '../lease/settle.js';
import type { LeaseView, Swap } from '../lease/swap.js';
import { Primary } from './primary-driver.js';
import { fenced, type MemberOptions, resolveMember } from './protect-options.js';

export interface ProtectOptions extends MemberOptions {
  /**
   * Takes the guest over although this process has no copy that is in sync: what its last owner told others may be lost. Only while nobody is alive. Default false: ERR_FENCED.
   */
  readonly acceptDataLoss?: boolean;
  /** This member owns the guest already: it arrived by a migration with a lease, and nothing else acts for it here. Default false: ERR_FENCED. */
  readonly owned?: boolean;
}

/** The id of this life of the process called `name`: 1 to 48 letters, digits, ".", "_", "-". */
export function newMember(name: string): string {
  return `${name}#${randomBytes(8).toString('hex')}`;
}

/**
 * Claims the guest, lets it run, and replicates it to its standbys. The guest is given paused, or running where nothing of it is told to anybody yet. ERR_FENCED where another
 * owns it, or may have what this copy has not; ERR_LEASE_UNKNOWN where the engine cannot be asked.
 */
export async function protect(guest: Guest, options: ProtectOptions): Promise<Primary> {
  const resolved = resolveMember(options);
  const { lease, name, member } = resolved;
  const view = await lease.read(name);
  const { record, revision: expected } = view;
  const isOurs = options.owned === true && record?.owner === member;
  const swap = isOurs
    ? { expected, record, unlessAlive: false }
    : firstClaim(view, member, options.acceptDataLoss === true);
  const { state, askedAt } = await claim(lease, name, swap);
  if (state.phase === 'lost') throw fenced(`another member claimed ${name}`);
  const holding = renewed({ token: swap.record.generation, until: 0 }, askedAt, lease.ttlMs);
  const { revision } = state;
  return new Primary(guest, resolved, { record: swap.record, revision, epoch: 0, holding });
}

function firstClaim(view: LeaseView, member: string, acceptDataLoss: boolean): Swap {
  const { record, revision, alive } = view;
  if (alive !== undefined) {
    throw fenced(`${record?.owner} owns the guest, as generation ${alive}`);
  }
  if (record !== undefined && !acceptDataLoss) {
    throw fenced(
      `${record.inSync.join(', ')} may go on from generation ${record.generation}; ${member} has no copy of it`,
    );
  }
  const next = claimed(record, member, newClaim());
  // Nobody else has what this copy has.
  return { expected: revision, record: withInSync(next, []), unlessAlive: true };
}
