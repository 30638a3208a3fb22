import { join } from 'node:path';
import { asFerryError, FerryError } from '../errors.js';
import { systemCode } from '../guests/file-io.js';
import type { StoreContext } from './context.js';
import { parseManifestName, type ReadManifest, readManifest } from './manifest.js';
import { withTable } from './page-table.js';
import { closing } from './place-file.js';

/** One manifest file and what is in it. */
export interface Revision {
  readonly counter: number;
  readonly revision: number;
  readonly name: string;
  readonly read?: ReadManifest;
  readonly error?: Error;
}

/** All manifest files, by counter and revision. */
export async function readRevisions({
  files,
  path,
  sealer,
  verifyWith,
}: StoreContext): Promise<Revision[]> {
  const folder = join(path, 'snapshots');
  let found: Revision[] = [];
  // One that a prune replaced after it was listed has its successor in the next list.
  for (let attempt = 0; attempt < 4; attempt++) {
    let isWhole = true;
    found = [];
    for (const name of await files.list(folder)) {
      const parsed = parseManifestName(name);
      if (parsed === undefined) continue;
      try {
        const file = await files.open(join(folder, name));
        const read = await closing(file, () =>
          readManifest(file, name, parsed.counter, sealer, verifyWith),
        );
        found.push({ ...parsed, name, read });
      } catch (error) {
        if (systemCode(error) === 'ENOENT') isWhole = false;
        found.push({ ...parsed, name, error: asFerryError(error, 'ERR_IO') });
      }
    }
    if (isWhole) break;
  }
  return found.sort((one, other) => one.counter - other.counter || one.revision - other.revision);
}

/** The same for who deletes: ERR_STORE_VERSION or ERR_IO where one cannot be read that may be good. */
export async function readEveryRevision(context: StoreContext): Promise<Revision[]> {
  const revisions = await readRevisions(context);
  for (const { error } of revisions) {
    if (error instanceof FerryError && error.code !== 'ERR_STORE_CORRUPT') throw error;
  }
  return revisions;
}

/**
 * Of each snapshot the newest revision that can be read and has all its files: a newer one may be about to be taken back by a process that prunes and was
 * suspended for long.
 */
export async function chooseRevisions(
  context: StoreContext,
  revisions: readonly Revision[],
): Promise<Revision[]> {
  const byCounter = new Map<number, Revision[]>();
  for (const revision of revisions) {
    const others = byCounter.get(revision.counter);
    if (others === undefined) byCounter.set(revision.counter, [revision]);
    else others.push(revision);
  }
  const chosen: Revision[] = [];
  for (const all of byCounter.values()) {
    const readable = all.filter(({ read }) => read !== undefined).reverse();
    let best = readable[0] ?? (all.at(-1) as Revision);
    for (const revision of readable.length > 1 ? readable : []) {
      if (!(await hasFiles(context, revision))) continue;
      best = revision;
      break;
    }
    chosen.push(best);
  }
  return chosen;
}

async function hasFiles(context: StoreContext, { read }: Revision): Promise<boolean> {
  if (read === undefined) return false;
  const { files, path, catalog } = context;
  try {
    const { directory } = await withTable(catalog, read.manifest.table, async (table) => table);
    const packs = new Set(await files.list(join(path, 'packs')));
    const tables = new Set(await files.list(join(path, 'tables')));
    return (
      directory.packs.every((id) => packs.has(`${id}.pack`) && packs.has(`${id}.index`)) &&
      directory.tables.every((id) => tables.has(`${id}.table`))
    );
  } catch (error) {
    if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return false;
    throw error;
  }
}
