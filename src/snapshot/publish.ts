import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { systemCode } from '../guests/file-io.js';
import { readCondemned } from './condemned.js';
import type { StoreContext } from './context.js';
import { type ManifestParts, manifestName, parseManifestName, sealManifest } from './manifest.js';
import { allOf, placeFile } from './place-file.js';
import { ifThere } from './store-error.js';

/** Hex ids of all files that a snapshot needs. */
export interface Needs {
  readonly packs: ReadonlySet<string>;
  readonly tables: ReadonlySet<string>;
}

/**
 * Gives a manifest its name, which no other has, and makes it durable: the packs, indexes and tables it needs are durable already. What it needs is looked
 * at before and after. Prune moves a file out of the way before it looks once more for manifests that need it: either it sees this one, or this sees
 * that the file is gone, takes the manifest back and throws ERR_BUSY.
 */
export async function publish(
  context: StoreContext,
  needs: Needs,
  make: (counter: number) => ManifestParts,
): Promise<{ counter: number; parts: ManifestParts }> {
  const { files, path, sealer } = context;
  const folder = join(path, 'snapshots');
  await checkNeeds(context, needs);
  for (;;) {
    const counter = await nextCounter(context);
    const parts = make(counter);
    const name = manifestName(counter, 0);
    try {
      await placeFile(files, folder, name, allOf(sealManifest(sealer, counter, parts)), 'link');
    } catch (error) {
      // Another writer took the counter meanwhile.
      if (systemCode(error) === 'EEXIST') continue;
      throw error;
    }
    await settle(context, needs, name);
    return { counter, parts };
  }
}

/** Another revision of a manifest, that says where its pages are now. */
export async function publishRevision(
  context: StoreContext,
  needs: Needs,
  counter: number,
  revision: number,
  parts: ManifestParts,
): Promise<string> {
  const { files, path, sealer } = context;
  const folder = join(path, 'snapshots');
  const name = manifestName(counter, revision);
  await placeFile(files, folder, name, allOf(sealManifest(sealer, counter, parts)), 'link');
  await settle(context, needs, name);
  return name;
}

/** Makes a linked manifest durable, or takes it back. */
async function settle(context: StoreContext, needs: Needs, name: string): Promise<void> {
  const { files, path } = context;
  const folder = join(path, 'snapshots');
  try {
    await files.syncFolder(folder);
    await checkNeeds(context, needs);
  } catch (error) {
    await ifThere(() => files.unlink(join(folder, name)));
    await files.syncFolder(folder);
    throw error;
  }
}

/** ERR_BUSY if anything that a snapshot needs is condemned or gone. */
async function checkNeeds({ files, path, sealer }: StoreContext, needs: Needs): Promise<void> {
  const { since } = await readCondemned(files, path, sealer);
  const packs = new Set(await files.list(join(path, 'packs')));
  const tables = new Set(await files.list(join(path, 'tables')));
  const isLost =
    [...needs.packs].some(
      (id) => since.has(`packs/${id}`) || !packs.has(`${id}.pack`) || !packs.has(`${id}.index`),
    ) || [...needs.tables].some((id) => since.has(`tables/${id}`) || !tables.has(`${id}.table`));
  if (isLost) {
    throw new FerryError(
      'ERR_BUSY',
      `${path} was pruned while the snapshot was made, and with it something that it needs: make it again`,
    );
  }
}

async function nextCounter({ files, path, sealer }: StoreContext): Promise<number> {
  // In this order: prune notes a counter before it removes its manifest.
  const names = await files.list(join(path, 'snapshots'));
  const { lastCounter } = await readCondemned(files, path, sealer);
  let last = lastCounter;
  for (const name of names) last = Math.max(last, parseManifestName(name)?.counter ?? 0);
  return last + 1;
}
