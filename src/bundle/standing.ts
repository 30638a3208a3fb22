import { lstat } from 'node:fs/promises';
import { FerryError } from '../errors.js';
import { formatManifest, type Manifest } from './manifest.js';
import type { OfferedBundle } from './offered-bundle.js';
import { fileIn, kindAt } from './paths.js';
import { readRecord } from './record.js';
import { firstWrong, readArrived, sha256 } from './registry.js';

/**
 * Whether a bundle is in its place already. ERR_IO for what will not be replaced, said now where that can be known without its content. `replaces`: whatever bundle is there
 * will be; `changes`: sizes say nothing, as files are converted when they have arrived.
 */
export async function isStanding(
  place: string,
  { regions }: OfferedBundle,
  paths: readonly string[],
  { replaces, changes }: { readonly replaces: boolean; readonly changes: boolean },
): Promise<boolean> {
  const kind = await kindAt(place);
  if (kind === undefined) return false;
  if (kind !== 'folder' || (await readRecord(place)) === undefined) {
    throw new FerryError('ERR_IO', `${place} is there, and is no bundle that arrived`);
  }
  if (replaces) return true;
  for (const [index, path] of paths.entries()) {
    const here = await fileIn(place, path);
    const size = here === undefined ? undefined : (await lstat(here)).size;
    if (!changes && size !== regions[index]?.byteLength) throw isOther(place);
  }
  return true;
}

/** ERR_IO unless the bundle at `place` is this very one, as it was when it arrived. */
export async function checkIsSame(place: string, manifest: Manifest): Promise<void> {
  const here = await readArrived(place);
  const isSame =
    here.record.manifest === sha256(formatManifest(manifest)) &&
    (await firstWrong(place, here.manifest)) === undefined;
  if (!isSame) throw isOther(place);
}

function isOther(place: string): FerryError {
  return new FerryError(
    'ERR_IO',
    `another bundle is at ${place}: only receive --replace replaces it`,
  );
}
