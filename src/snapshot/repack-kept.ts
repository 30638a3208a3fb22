import { join } from 'node:path';
import type { Catalog } from './catalog.js';
import type { StoreContext } from './context.js';
import { eachLive } from './live-objects.js';
import type { StoreLock } from './locks.js';
import { type MovedTable, movedTable } from './moved-table.js';
import { PlaceSet } from './place-set.js';
import { publishRevision } from './publish.js';
import { Repacker } from './repack.js';
import type { Revision } from './revisions.js';
import { ifThere } from './store-error.js';
import { victimsOf } from './victims.js';

/** The revision of a snapshot that stays. */
export type Kept = Revision & { readonly read: NonNullable<Revision['read']> };

interface Room {
  readonly context: StoreContext;
  readonly catalog: Catalog;
  readonly lock: StoreLock;
  /** Of a pack's bytes: a pack of which more is dead is packed anew. */
  readonly deadShare: number;
}

/**
 * Packs what `kept` refer to anew where too much beside it is dead; a snapshot whose pages moved gets another revision, and loses the older ones among
 * `revisions`. Returns how many pages moved. A full disk must not keep prune from making room: then nothing is repacked.
 */
export async function repackKept(
  room: Room,
  kept: readonly Kept[],
  revisions: readonly Revision[],
): Promise<number> {
  try {
    return await repack(room, kept, revisions);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'ERR_DISK_FULL') throw error;
    return 0;
  }
}

async function repack(
  { context, catalog, lock, deadShare }: Room,
  kept: readonly Kept[],
  revisions: readonly Revision[],
): Promise<number> {
  const live = new PlaceSet();
  for (const { read } of kept) {
    await eachLive(catalog, read.manifest, (place) => live.add(place));
    await lock.refresh();
  }
  const victims = await victimsOf(catalog, live, deadShare, context.packBytes);
  const repacker = new Repacker(context, catalog, live, victims);
  try {
    const surviving = new Set<string>();
    const later: (() => Promise<void>)[] = [];
    let previous: string | undefined;
    for (const revision of kept) {
      const { manifest } = revision.read;
      const table = await movedTable(catalog, repacker, manifest, surviving, previous);
      surviving.add(table?.id ?? manifest.table);
      previous = table?.id ?? manifest.table;
      await lock.refresh();
      if (table === undefined) continue;
      later.push(() => replace(context, revision, table, revisions));
    }
    await repacker.finish();
    const { files, path } = context;
    if (later.length > 0) {
      await files.syncFolder(join(path, 'packs'));
      await files.syncFolder(join(path, 'tables'));
    }
    for (const replaceOne of later) await replaceOne();
    return repacker.moves;
  } catch (error) {
    await repacker.drop();
    throw error;
  }
}

/** Publishes a revision of a manifest that names its new table, then removes the older ones. */
async function replace(
  context: StoreContext,
  { counter, read }: Kept,
  table: MovedTable,
  revisions: readonly Revision[],
): Promise<void> {
  const older = revisions.filter((one) => one.counter === counter);
  const revision = 1 + Math.max(...older.map((one) => one.revision));
  const parts = { ...read.parts, table: Buffer.from(table.id, 'hex') };
  const needs = { packs: table.packs, tables: table.tables };
  await publishRevision(context, needs, counter, revision, parts);
  const { files, path } = context;
  // Not synced: an older one that comes back does no harm, see `chooseRevisions`.
  for (const { name } of older) await ifThere(() => files.unlink(join(path, 'snapshots', name)));
}
