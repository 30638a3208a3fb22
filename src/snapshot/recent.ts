import type { SnapshotInfo } from './types.js';

/**
 * Counters of all snapshots but those of `name` that nobody needs who asks how it was at any time from `since` on, milliseconds since 1970: what was the newest one then stays.
 * `snapshots` by counter, as `Store.snapshots` gives them. For `keep` of `Store.prune`.
 */
export function recentOf(
  snapshots: readonly SnapshotInfo[],
  name: string,
  since: number,
): number[] {
  const named = snapshots.filter(({ manifest }) => manifest?.name === name);
  const base = named.findLast(({ manifest }) => (manifest?.time ?? since) < since);
  const old = named.filter(
    ({ counter, manifest }) => counter < (base?.counter ?? 0) && (manifest?.time ?? since) < since,
  );
  return snapshots.filter((each) => !old.includes(each)).map(({ counter }) => counter);
}
