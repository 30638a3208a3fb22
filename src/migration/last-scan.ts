import type { Guest } from '../guests/guest.js';
import { pageCountOf } from '../memory/pages.js';

/** Pages that the last copy looks at without anybody having named them: all of them, or those that others write than an exact tracker watches. */
export function lastScanPagesOf({ tracker, regions }: Pick<Guest, 'tracker' | 'regions'>): number {
  const scanned = regions.filter((region) => !tracker.exact || tracker.unseen?.(region));
  return scanned.reduce((sum, { byteLength }) => sum + pageCountOf(byteLength), 0);
}

/** Whether such pages are looked at in this round too: in the second round what others wrote meanwhile is found, and what looking costs is learnt. */
export function scansInRound(round: number, { tracker }: Pick<Guest, 'tracker'>): boolean {
  return !tracker.exact || (tracker.unseen !== undefined && round === 2);
}
