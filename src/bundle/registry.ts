import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { asFerryError, FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import { pathInFolder } from '../guests/file-name.js';
import { lockPlace } from '../guests/place-lock.js';
import { type Commands, commission, dismiss } from './commission.js';
import { hashFile } from './content-hash.js';
import { type Manifest, maxManifestBytes, parseManifest } from './manifest.js';
import { fileIn, isOurs, manifestName, olderOf } from './paths.js';
import { type BundleRecord, readRecord, writeRecord } from './record.js';

/** A bundle that arrived. */
export interface Arrived {
  readonly manifest: Manifest;
  readonly record: BundleRecord;
}

/** One line of the registry. */
export type Entry =
  | ({ readonly name: string; readonly state: BundleRecord['state'] } & Arrived)
  /** It is arriving, or what came of it is kept. */
  | { readonly name: string; readonly state: 'partial' }
  | { readonly name: string; readonly state: 'damaged'; readonly error: FerryError };

/** 64 hex digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** ERR_IO where there is none in `folder`; ERR_STORE_CORRUPT where what says what it is was changed. */
export async function readArrived(folder: string): Promise<Arrived> {
  const record = await readRecord(folder);
  if (record === undefined) throw new FerryError('ERR_IO', `${folder} is no bundle that arrived`);
  const path = await fileIn(folder, manifestName);
  if (path === undefined || (await lstat(path)).size > maxManifestBytes) {
    throw new FerryError('ERR_STORE_CORRUPT', `${folder} has no manifest any more`);
  }
  const bytes = await readFile(path);
  if (sha256(bytes) !== record.manifest) {
    throw new FerryError('ERR_STORE_CORRUPT', `${path} is not what arrived`);
  }
  return { manifest: parseManifest(bytes), record };
}

/** The first file that is not what arrived, and how; undefined if all are. */
export async function firstWrong(folder: string, { files }: Manifest): Promise<string | undefined> {
  for (const { path, bytes, sha256: expected } of files) {
    const at = await fileIn(folder, path);
    if (at === undefined) return `${path} is not there`;
    const handle = await open(at, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await handle.stat();
      if (size !== bytes) return `${path} has ${size} bytes instead of ${bytes}`;
      if ((await hashFile(handle, bytes)) !== expected) return `${path} has another content`;
    } finally {
      await handle.close();
    }
  }
  return undefined;
}

/** All bundles in `folder`, by name. */
export async function listBundles(folder: string): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw fileError(error, `cannot read ${folder}`);
  });
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const partial = /^\.(.+)\.pageferry-bundle$/.exec(entry.name)?.[1];
    if (partial !== undefined) found.push({ name: partial, state: 'partial' });
    else if (!isOurs(entry.name)) found.push(...(await entryOf(folder, entry.name)));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What is no bundle is none of ours. */
async function entryOf(folder: string, name: string): Promise<readonly Entry[]> {
  const place = join(folder, name);
  try {
    if ((await readRecord(place)) === undefined) return [];
    const arrived = await readArrived(place);
    return [{ name, state: arrived.record.state, ...arrived }];
  } catch (error) {
    return [{ name, state: 'damaged', error: asFerryError(error, 'ERR_IO') }];
  }
}

/** Compares every file with the manifest; then one that was not registered is, and its health is checked. ERR_DIGEST where a file is another. */
export function verifyBundle(
  folder: string,
  name: string,
  commands: Commands,
  signal: AbortSignal,
): Promise<Arrived> {
  return holding(folder, name, async (place) => {
    const { manifest, record } = await readArrived(place);
    const wrong = await firstWrong(place, manifest);
    if (wrong !== undefined) throw new FerryError('ERR_DIGEST', `${name}: ${wrong}`);
    if (record.state === 'registered') return { manifest, record };
    await commission(commands, { name, folder: place, session: record.session, manifest }, signal);
    const verified = { ...record, state: 'registered', why: '' } as const;
    await writeRecord(place, verified);
    await rm(olderOf(place), { recursive: true, force: true });
    return { manifest, record: verified };
  });
}

/** Its files stay; its registration is undone. */
export function unregisterBundle(
  folder: string,
  name: string,
  commands: Commands,
): Promise<Arrived> {
  return holding(folder, name, async (place) => {
    const { manifest, record } = await readArrived(place);
    await dismiss(commands, { name, folder: place, session: record.session, manifest });
    const without = { ...record, state: 'unregistered', why: 'by its operator' } as const;
    await writeRecord(place, without);
    return { manifest, record: without };
  });
}

/** Nothing else receives, verifies or unregisters it meanwhile: ERR_BUSY. */
async function holding<T>(
  folder: string,
  name: string,
  work: (place: string) => Promise<T>,
): Promise<T> {
  const place = pathInFolder(resolve(folder), name);
  try {
    const { dev, ino } = await stat(dirname(place), { bigint: true });
    const lock = await lockPlace(dev, ino, basename(place));
    try {
      return await work(place);
    } finally {
      await lock?.release();
    }
  } catch (error) {
    throw fileError(error, `cannot use ${place}`);
  }
}
