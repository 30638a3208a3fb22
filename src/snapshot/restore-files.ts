import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { fileError, systemCode } from '../guests/file-io.js';
import {
  createPartial,
  letGo,
  partialPathOf,
  placePartial,
  removePartial,
} from '../guests/partial-file.js';
import { jsonField } from './json-field.js';
import { type PageCrew, startCrew } from './page-crew.js';
import { RegionRestorer } from './region-restorer.js';
import type {
  Json,
  Manifest,
  ManifestRegion,
  SnapshotInfo,
  SnapshotReader,
  Store,
} from './types.js';

export interface RestoreFilesOptions {
  /** Threads that read, check and write, 1 to 4. Default: one a processor. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Bytes written, or found to be zeros, so far and in all. */
  readonly onProgress?: (done: number, all: number) => void;
}

export interface RestoredFiles {
  readonly manifest: Manifest;
  readonly files: number;
  readonly byteLength: number;
  readonly pages: number;
}

/**
 * Writes the snapshot out to `path`: the one file it is of, which replaces what is there, or a folder, which must not be there. Every page is proven by
 * its id before it is written, and the ids by the manifest; zeros become holes. Nothing is at `path` before all of it is on the disk. ERR_STORE_CORRUPT
 * names what is damaged.
 */
export async function restoreFiles(
  store: Store,
  snapshot: SnapshotInfo,
  path: string,
  options: RestoreFilesOptions = {},
): Promise<RestoredFiles> {
  const { crew, end } = startCrew(options.threads);
  try {
    const reader = await store.read(snapshot);
    try {
      return await restoreBy(await crew, reader, path, options);
    } finally {
      await reader[Symbol.asyncDispose]();
    }
  } finally {
    await end();
  }
}

async function restoreBy(
  crew: PageCrew,
  reader: SnapshotReader,
  path: string,
  options: RestoreFilesOptions,
): Promise<RestoredFiles> {
  const { manifest } = reader;
  const { regions, pages } = manifest;
  const all = regions.reduce((sum, { byteLength }) => sum + byteLength, 0);
  crew.begin({ idPrefix: reader.idPrefix });
  let done = 0;
  const restorer = new RegionRestorer(reader, crew, options.signal, (bytes) => {
    done += bytes;
    options.onProgress?.(done, all);
  });
  if (isFolder(manifest)) await restoreFolder(restorer, manifest, path);
  else await restoreFile(restorer, regions[0], path);
  return { manifest, files: regions.length, byteLength: all, pages };
}

/** One file alone is restored as a file; everything else, a guest's memory and state too, as a folder. */
function isFolder({ metadata, regions }: Manifest): boolean {
  if (jsonField(metadata, 'isFolder') === false) return regions.length !== 1;
  return true;
}

async function restoreFile(
  restorer: RegionRestorer,
  region: ManifestRegion | undefined,
  path: string,
): Promise<void> {
  const partial = await createPartial(path);
  try {
    await partial.handle.truncate(region?.byteLength ?? 0);
    await restorer.restore(0, partial.handle);
    await dress(partial.handle, region?.metadata);
    const unsynced = await placePartial(partial);
    if (unsynced !== undefined) throw unsynced;
  } catch (error) {
    await removePartial(partial).catch(() => {});
    throw fileError(error, `cannot write ${path}`);
  } finally {
    await letGo(partial);
  }
}

/** Everything goes to a folder beside it, that nobody else can enter; names were checked when the manifest was read. */
async function restoreFolder(
  restorer: RegionRestorer,
  { regions, metadata }: Manifest,
  path: string,
): Promise<void> {
  const place = resolve(path);
  await refuseTaken(place);
  const partial = partialPathOf(place);
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { mode: 0o700 });
    const folders = new Map<string, number>();
    for (const folder of listField(metadata, 'folders')) {
      const name = jsonField(folder, 'name');
      const mode = jsonField(folder, 'mode');
      if (typeof name !== 'string') continue;
      for (const above of foldersAbove(`${checkedName(name)}/x`)) folders.set(above, 0o700);
      folders.set(name, typeof mode === 'number' ? mode & 0o777 : 0o700);
    }
    for (const { name } of regions) {
      for (const above of foldersAbove(name)) if (!folders.has(above)) folders.set(above, 0o700);
    }
    const names = [...folders.keys()].sort();
    for (const name of names) await mkdir(join(partial, name), { recursive: true, mode: 0o700 });
    for (const [index, region] of regions.entries()) {
      await restoreInto(restorer, index, region, join(partial, region.name));
    }
    // The innermost first: what a folder forbids is forbidden when everything is in it.
    for (const name of names.reverse()) {
      await closeFolder(join(partial, name), folders.get(name) ?? 0o700);
    }
    const mode = jsonField(metadata, 'mode');
    await closeFolder(partial, typeof mode === 'number' ? mode & 0o777 : 0o700);
    await refuseTaken(place);
    await rename(partial, place);
    await closeFolder(dirname(place));
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw fileError(error, `cannot write ${place}`);
  }
}

async function restoreInto(
  restorer: RegionRestorer,
  index: number,
  region: ManifestRegion,
  path: string,
): Promise<void> {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handle = await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await handle.truncate(region.byteLength);
    await restorer.restore(index, handle);
    await dress(handle, region.metadata);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Permissions and time as they were; bits that give others' rights (set-user-id, set-group-id) are not brought back. */
async function dress(handle: FileHandle, metadata: Json | undefined): Promise<void> {
  const mode = jsonField(metadata, 'mode');
  if (typeof mode === 'number') await handle.chmod(mode & 0o777);
  const modifiedMs = jsonField(metadata, 'modifiedMs');
  if (typeof modifiedMs === 'number') await handle.utimes(new Date(), new Date(modifiedMs));
}

async function closeFolder(path: string, mode?: number): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (mode !== undefined) await folder.chmod(mode);
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function refuseTaken(place: string): Promise<void> {
  const there = await lstat(place).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, `cannot write ${place}`);
  });
  if (there !== undefined) {
    throw new FerryError(
      'ERR_IO',
      `${basename(place)} is there already: a folder is restored to a new place`,
    );
  }
}

function foldersAbove(name: string): string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, count) => parts.slice(0, count + 1).join('/'));
}

/** A name from a manifest's metadata, which its reader has not looked into. */
function checkedName(name: string): string {
  const parts = name.split('/');
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isPlain || name.includes('\0') || name.length > 4096) {
    throw new FerryError('ERR_STORE_CORRUPT', 'the manifest has a folder that leads elsewhere');
  }
  return name;
}

function listField(json: Json | undefined, name: string): readonly Json[] {
  const list = jsonField(json, name);
  return Array.isArray(list) ? list : [];
}
