import { createHash } from 'node:crypto';
import type { OnCommit } from '../guests/commit.js';
import { createLedger, type LedgerGuest, planLedger, receiveLedger } from '../guests/ledger.js';
import { replayLedger } from '../guests/ledger-replay.js';
import { createWorkload, type PgliteWorkload, receiveWorkload } from '../guests/pglite/workload.js';
import { findPgliteDamage } from '../guests/pglite/workload-check.js';
import { checkSize } from '../guests/pglite/workload-plan.js';
import { createSqlite, receiveSqlite, type SqliteGuest } from '../guests/sqlite.js';
import { findSqliteDamage } from '../guests/sqlite-check.js';
import { bootSize } from '../guests/sqlite-plan.js';
import type { DemoPlan } from './demo-messages.js';

export type DemoGuest = LedgerGuest | SqliteGuest | PgliteWorkload;

/** What a paused guest at the destination holds. */
export interface DemoContent {
  readonly problems: readonly string[];
  /** SHA-256 of the memory, where only somebody else can know what it must be. */
  readonly sha256: string | undefined;
}

const pageBytes = 4096;
const pagesAtOnce = 256;

/** RangeError if there is no such guest. */
export function checkPlan(plan: DemoPlan): void {
  if (plan.kind === 'ledger') planLedger(plan);
  else if (plan.kind === 'sqlite') bootSize(plan.sizeMiB);
  else checkSize(plan.sizeMiB);
}

/** The guest as it starts its life, paused. */
export async function createGuest(plan: DemoPlan, onCommit: OnCommit): Promise<DemoGuest> {
  if (plan.kind === 'ledger') return createLedger({ ...plan, onCommit });
  if (plan.kind === 'sqlite') return createSqlite({ ...plan, onCommit });
  return createWorkload({ ...plan, onCommit });
}

/** A place for the guest that `plan` describes. */
export async function receiveGuest(plan: DemoPlan, onCommit: OnCommit): Promise<DemoGuest> {
  if (plan.kind === 'ledger') {
    return receiveLedger(plan.sizeBytes, plan.sizeBytes, { ...plan, onCommit });
  }
  if (plan.kind === 'sqlite') return receiveSqlite({ ...plan, onCommit });
  return receiveWorkload({ ...plan, onCommit });
}

/** Transactions that a guest has made in its life. */
export function seqOf(guest: DemoGuest): number {
  return guest.kind === 'sqlite' ? guest.program.registers.seq : guest.seq;
}

/** Looks at all that a paused guest holds; `onFound` hears of each commit that can be read from it. */
export async function contentOf(
  guest: DemoGuest,
  plan: DemoPlan,
  onFound: OnCommit,
): Promise<DemoContent> {
  if (guest.kind === 'pglite') {
    return { problems: await findPgliteDamage(guest, plan.seed, onFound), sha256: undefined };
  }
  if (guest.kind === 'sqlite') {
    return { problems: findSqliteDamage(guest.program, plan.seed, onFound), sha256: undefined };
  }
  const hash = createHash('sha256');
  for (const region of guest.regions) {
    if (region.memory !== undefined) hash.update(region.memory());
  }
  return { problems: [], sha256: hash.digest('hex') };
}

/** The SHA-256 of the memory that `count` commits make of a ledger, played again; `onFound` hears of each. Undefined for others. */
export function expectedSha256(
  plan: DemoPlan,
  count: number,
  onFound: OnCommit,
): string | undefined {
  if (plan.kind !== 'ledger') return undefined;
  const replay = replayLedger(planLedger(plan), count, onFound);
  const hash = createHash('sha256');
  const chunk = new Uint8Array(pagesAtOnce * pageBytes);
  for (let page = 0; page < replay.pages; page += pagesAtOnce) {
    const pages = Math.min(pagesAtOnce, replay.pages - page);
    for (let at = 0; at < pages; at++) {
      replay.readPage(page + at, chunk.subarray(at * pageBytes, (at + 1) * pageBytes));
    }
    hash.update(chunk.subarray(0, pages * pageBytes));
  }
  return hash.digest('hex');
}
