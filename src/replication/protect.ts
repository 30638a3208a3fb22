import { randomBytes } from 'node:crypto';
import type { Guest } from '../guests/guest.js';
import { beginClaim, type ClaimState, stepClaim } from '../lease/claim.js';
import { renewed } from '../lease/holding.js';
import { claimed, withInSync } from '../lease/owner-record.js';
import type { LeaseView, Swap } from '../lease/swap.js';
import { Primary } from './primary-driver.js';
import {
  fenced,
  type MemberOptions,
  type ResolvedMember,
  resolveMember,
} from './protect-options.js';
import { ask } from './settle.js';

export interface ProtectOptions extends MemberOptions {
  /**
   * Takes the guest over although this process has no copy that is in sync: what its last owner told others may be lost. Only while nobody is alive. Default false: ERR_FENCED.
   */
  readonly acceptDataLoss?: boolean;
}

/** A claim that was won, and a lease that began at a known time. */
export interface Won {
  readonly state: Extract<ClaimState, { phase: 'won' }>;
  readonly askedAt: number;
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
  const swap = firstClaim(view, member, options.acceptDataLoss === true);
  const won = await claim(resolved, swap);
  if (won === undefined) throw fenced(`another member claimed ${name}`);
  const { state, askedAt } = won;
  const holding = renewed({ token: swap.record.generation, until: 0 }, askedAt, lease.ttlMs);
  const { revision } = state;
  return new Primary(guest, resolved, { record: swap.record, revision, epoch: 0, holding });
}

/** Asks until the claim is decided. Undefined: another was first. ERR_LEASE_UNKNOWN only if the engine cannot be asked about what was won. */
export async function claim(
  { lease, name }: ResolvedMember,
  swap: Swap,
  mayGiveUp: () => boolean = () => false,
): Promise<Won | undefined> {
  let state = beginClaim(swap);
  for (;;) {
    const answer = await ask(lease, name, state);
    if (answer === undefined) return undefined;
    state = stepClaim(state, answer.event);
    if (state.phase === 'lost') return undefined;
    if (state.phase === 'won') {
      if (state.timely) return { state, askedAt: answer.askedAt };
      // Won by a try nobody knows the time of: renewed before anything is done.
      const askedAt = performance.now();
      if (await lease.renew(name, swap.record.generation).catch(() => false)) {
        return { state, askedAt };
      }
      return { state, askedAt: Number.NEGATIVE_INFINITY };
    }
    if (state.phase === 'asked' && !state.open && mayGiveUp()) return undefined;
  }
}

export function newClaim(): string {
  return randomBytes(16).toString('hex');
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
