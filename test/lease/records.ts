import { type OwnerRecord, withInSync } from '../../src/lease/owner-record.js';

export function claimOf(number: number): string {
  return number.toString(16).padStart(32, '0');
}

/** What `owner` claims, with nobody else in sync. */
export function recordOf(owner: string, generation = 1n): OwnerRecord {
  return withInSync({ owner, generation, inSync: [], claim: claimOf(1) }, []);
}
