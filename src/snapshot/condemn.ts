import { join } from 'node:path';
import type { Catalog } from './catalog.js';
import { readCondemned, writeCondemned } from './condemned.js';
import type { StoreContext } from './context.js';
import { neededFiles } from './needed-files.js';
import { closing } from './place-file.js';
import { type Revision, readEveryRevision } from './revisions.js';
import { ifThere } from './store-error.js';
import { Trash } from './trash.js';

/** Deletes what was condemned `graceMs` ago or longer and is needed by nobody; what is needed is condemned no more. Counts are of files by name, both of a pack being one. */
export async function deleteCondemned(
  context: StoreContext,
  catalog: Catalog,
  graceMs: number,
  revisions: readonly Revision[],
): Promise<{ deleted: number; uncondemned: number; freedBytes: number }> {
  const { files, path, sealer } = context;
  const condemned = await readCondemned(files, path, sealer);
  const trash = new Trash(files, path);
  const left = await trash.left();
  if (condemned.since.size === 0 && left.size === 0) {
    return { deleted: 0, uncondemned: 0, freedBytes: 0 };
  }
  const needed = await neededFiles(catalog, revisions);
  const since = new Map(condemned.since);
  const due = new Set(left);
  let uncondemned = 0;
  for (const [name, time] of condemned.since) {
    if (needed.has(name)) {
      since.delete(name);
      uncondemned++;
    } else if (Date.now() - time >= graceMs) {
      due.add(name);
    }
  }
  for (const name of due) await trash.add(name);
  // Whoever published before a file was moved away is seen now; whoever publishes later sees that it is gone.
  const stillNeeded = await neededFiles(catalog, await readEveryRevision(context));
  let deleted = 0;
  for (const name of due) {
    if (stillNeeded.has(name)) {
      await trash.giveBack(name);
    } else {
      await trash.delete(name);
      deleted++;
    }
    since.delete(name);
  }
  await writeCondemned(files, path, sealer, { ...condemned, since });
  return { deleted, uncondemned, freedBytes: trash.freedBytes };
}

/** Condemns what no manifest needs. `before`: the manifests that there were, whose counters are not given again. */
export async function condemnUnneeded(
  context: StoreContext,
  catalog: Catalog,
  before: readonly Revision[],
): Promise<{ files: number; bytes: number }> {
  const { files, path, sealer } = context;
  const condemned = await readCondemned(files, path, sealer);
  const now = await readEveryRevision(context);
  const needed = await neededFiles(catalog, now);
  const since = new Map(condemned.since);
  let bytes = 0;
  let added = 0;
  for (const [folder, pattern] of [
    ['packs', /^([0-9a-f]{32})\.(pack|index)$/],
    ['tables', /^([0-9a-f]{32})\.table$/],
  ] as const) {
    for (const file of await files.list(join(path, folder))) {
      const id = pattern.exec(file)?.[1];
      const name = `${folder}/${id}`;
      if (id === undefined || needed.has(name)) continue;
      const size = await ifThere(async () => {
        const open = await files.open(join(path, folder, file));
        return closing(open, () => open.size());
      });
      bytes += size ?? 0;
      if (since.has(name)) continue;
      since.set(name, Date.now());
      added++;
    }
  }
  const counters = [...before, ...now].map(({ counter }) => counter);
  const lastCounter = Math.max(condemned.lastCounter, ...counters);
  if (added > 0 || lastCounter > condemned.lastCounter) {
    const generation = condemned.generation + 1;
    await writeCondemned(files, path, sealer, { generation, lastCounter, since });
  }
  return { files: added, bytes };
}

/** What is removed leaves its counter behind: it is not given again. */
export async function keepCounters(
  { files, path, sealer }: StoreContext,
  removed: readonly Revision[],
): Promise<void> {
  const condemned = await readCondemned(files, path, sealer);
  const lastCounter = Math.max(...removed.map(({ counter }) => counter));
  if (lastCounter <= condemned.lastCounter) return;
  await writeCondemned(files, path, sealer, { ...condemned, lastCounter });
  await files.syncFolder(path);
}
