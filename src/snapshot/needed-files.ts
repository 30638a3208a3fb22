import { FerryError } from '../errors.js';
import type { Catalog } from './catalog.js';
import { PageTable } from './page-table.js';
import { closing } from './place-file.js';
import type { Revision } from './revisions.js';
import type { Manifest } from './types.js';

/** Names of all files that any manifest needs, below the store: "packs/ID", "tables/ID". */
export async function neededFiles(
  catalog: Catalog,
  revisions: readonly Revision[],
): Promise<Set<string>> {
  const needed = new Set<string>();
  for (const { read } of revisions) {
    if (read === undefined) continue;
    await addNeeds(catalog, read.manifest, needed);
  }
  return needed;
}

async function addNeeds(
  catalog: Catalog,
  { table: id }: Manifest,
  needed: Set<string>,
): Promise<void> {
  if (needed.has(`tables/${id}`)) return;
  needed.add(`tables/${id}`);
  let table: PageTable;
  try {
    table = await PageTable.open(catalog, id);
  } catch (error) {
    // A snapshot that has lost its table needs nothing else any more.
    if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return;
    throw error;
  }
  await closing(table, async () => {
    for (const pack of table.directory.packs) needed.add(`packs/${pack}`);
    for (const other of table.directory.tables) needed.add(`tables/${other}`);
  });
}
