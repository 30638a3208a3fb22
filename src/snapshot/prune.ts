import { Catalog } from './catalog.js';
import { condemnUnneeded, deleteCondemned, keepCounters } from './condemn.js';
import type { StoreContext } from './context.js';
import { StoreLock } from './locks.js';
import { type Kept, repackKept } from './repack-kept.js';
import { chooseRevisions, type Revision, readEveryRevision } from './revisions.js';
import { sweepTemporaries, unlinkManifests, unlinkPrints } from './sweep.js';
import type { PruneOptions, PruneReport } from './types.js';

const defaultGraceMs = 3_600_000;
const defaultDeadShare = 0.02;

/**
 * Removes snapshots, and in two runs what only they needed: this run condemns it, a later one deletes it. Kept snapshots whose pages moved get
 * another revision of their manifest before the old one goes.
 */
export async function pruneStore(
  strict: StoreContext,
  options: PruneOptions,
): Promise<PruneReport> {
  const { files, path, sealer } = strict;
  // Who signed a snapshot does not matter to who deletes: an unsigned one needs its pages too.
  const context: StoreContext = { ...strict, verifyWith: undefined };
  const lock = await StoreLock.take(files, path, 'exclusive');
  try {
    const catalog = new Catalog(files, path, sealer);
    try {
      return await prune(context, catalog, lock, options);
    } finally {
      await catalog.close();
    }
  } finally {
    await lock.release();
  }
}

async function prune(
  context: StoreContext,
  catalog: Catalog,
  lock: StoreLock,
  { keep, graceMs = defaultGraceMs, deadShare = defaultDeadShare }: PruneOptions,
): Promise<PruneReport> {
  const revisions = await readEveryRevision(context);
  const kept = await choose(context, revisions, keep);
  const freed = await deleteCondemned(context, catalog, graceMs, revisions);
  await sweepTemporaries(context, graceMs);
  // Another revision of a kept one is what a run left that was interrupted.
  const keptNames = new Set(kept.map(({ name }) => name));
  const superseded = revisions.filter(
    ({ name, counter }) => !keptNames.has(name) && kept.some((one) => one.counter === counter),
  );
  const counters = new Set(kept.map(({ counter }) => counter));
  const removed = revisions.filter(({ counter }) => !counters.has(counter));
  const repackedPages = await repackKept({ context, catalog, lock, deadShare }, kept, revisions);
  await keepCounters(context, removed);
  await unlinkManifests(
    context,
    [...removed, ...superseded].map(({ name }) => name),
  );
  await unlinkPrints(context, counters);
  const condemned = await condemnUnneeded(context, catalog, revisions);
  return {
    removedSnapshots: [...new Set(removed.map(({ counter }) => counter))],
    condemned: condemned.files,
    condemnedBytes: condemned.bytes,
    ...freed,
    repackedPages,
  };
}

/** The newest good revision of each snapshot that `keep` names, by counter. RangeError if there is none of that counter, its error if it cannot be read. */
async function choose(
  context: StoreContext,
  revisions: readonly Revision[],
  keep: PruneOptions['keep'],
): Promise<Kept[]> {
  const newest = await chooseRevisions(context, revisions);
  const infos = newest.map(({ counter, read, error }) =>
    read === undefined
      ? { counter, error: error as Error }
      : { counter, manifest: read.manifest, signed: read.signed },
  );
  const chosen = new Set(keep(infos));
  const kept: Kept[] = [];
  for (const counter of chosen) {
    const revision = newest.find((one) => one.counter === counter);
    if (revision === undefined) throw new RangeError(`there is no snapshot ${counter} to keep`);
    if (revision.read === undefined) throw revision.error;
    kept.push({ ...revision, read: revision.read });
  }
  return kept.sort((one, other) => one.counter - other.counter);
}
