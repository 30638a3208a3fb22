import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { allOf, closing, placeFile } from './place-file.js';
import { type Sealer, section } from './sealed.js';
import { corrupt, ifThere } from './store-error.js';
import type { StoreFile, StoreFiles } from './store-files.js';

/** What prune is about to delete. Where the file is damaged nothing is: it is looked at before anything is deleted or referred to, and decides neither. */
export interface Condemned {
  /** How often it was written. */
  readonly generation: number;
  /** No snapshot gets a counter up to this, though it was removed. */
  readonly lastCounter: number;
  /** Names of files below the store ("packs/ID", "tables/ID"), and since when (ms since 1970). */
  readonly since: ReadonlyMap<string, number>;
}

const name = 'condemned';

export async function readCondemned(
  files: StoreFiles,
  storePath: string,
  sealer: Sealer,
): Promise<Condemned> {
  const file = await ifThere(() => files.open(join(storePath, name)));
  const nothing = { generation: 0, lastCounter: 0, since: new Map() };
  if (file === undefined) return nothing;
  return closing(file, () => parse(file, sealer)).catch((error) => {
    if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return nothing;
    throw error;
  });
}

async function parse(file: StoreFile, sealer: Sealer): Promise<Condemned> {
  const { body, end } = await sealer.read(file, 0, section.condemned, name, name);
  if (end !== (await file.size())) throw corrupt(`${name}: bytes behind its end`);
  let value: { generation: number; lastCounter: number; since: Record<string, number> };
  try {
    value = JSON.parse(Buffer.from(body).toString());
  } catch (error) {
    throw corrupt(`${name} is no JSON`, error);
  }
  const { generation, lastCounter, since } = value ?? {};
  const isOne = Number.isSafeInteger(generation) && Number.isSafeInteger(lastCounter);
  if (!isOne || typeof since !== 'object' || since === null) throw corrupt(`${name} cannot be`);
  const entries = Object.entries(since);
  for (const [key, time] of entries) {
    if (!/^(packs|tables)\/[0-9a-f]{32}$/.test(key) || !Number.isSafeInteger(time)) {
      throw corrupt(`${name} names ${JSON.stringify(key)}`);
    }
  }
  return { generation, lastCounter, since: new Map(entries) };
}

/** Replaces what was noted. Whether the next boot finds this or what was noted before is only certain once the folder is synced: what is condemned may be either. */
export async function writeCondemned(
  files: StoreFiles,
  storePath: string,
  sealer: Sealer,
  { generation, lastCounter, since }: Condemned,
): Promise<void> {
  const body = JSON.stringify({ generation, lastCounter, since: Object.fromEntries(since) });
  const sealed = sealer.seal(section.condemned, name, Buffer.from(body));
  await placeFile(files, storePath, name, allOf([sealed]));
}
