import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { writeWhole } from '../guests/durable-file.js';
import { kindAt, recordName } from './paths.js';

const states = ['registered', 'unclean', 'unregistered'] as const;

/** What the folder registry knows of a bundle that arrived: one file in its folder. */
export interface BundleRecord {
  /** `unclean`: to be verified before it is started. */
  readonly state: (typeof states)[number];
  /** Why, for people. */
  readonly why: string;
  /** SHA-256 of its `bundle.json`, hex. */
  readonly manifest: string;
  /** The migration that brought it. */
  readonly session: string;
  /** ISO 8601. */
  readonly receivedAt: string;
}

const recordVersion = 1;
const maxRecordBytes = 16_384;

/** Undefined where there is none. ERR_STORE_CORRUPT, ERR_STORE_VERSION, ERR_IO. */
export async function readRecord(folder: string): Promise<BundleRecord | undefined> {
  const path = join(folder, recordName);
  const kind = await kindAt(path);
  if (kind === undefined) return undefined;
  let value: unknown;
  try {
    if (kind !== 'file' || (await lstat(path)).size > maxRecordBytes) throw new Error('not ours');
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FerryError('ERR_STORE_CORRUPT', `${path} is no record of a bundle`, { cause });
  }
  const found: Record<string, unknown> = { ...(typeof value === 'object' ? value : {}) };
  if (typeof found['version'] === 'number' && found['version'] > recordVersion) {
    throw new FerryError('ERR_STORE_VERSION', `${path} is of version ${found['version']}`);
  }
  const state = states.find((name) => name === found['state']);
  const { why, manifest, session, receivedAt } = found;
  if (
    state === undefined ||
    typeof why !== 'string' ||
    typeof manifest !== 'string' ||
    typeof session !== 'string' ||
    typeof receivedAt !== 'string'
  ) {
    throw new FerryError('ERR_STORE_CORRUPT', `${path} is no record of a bundle`);
  }
  return { state, why, manifest, session, receivedAt };
}

/** Survives a crash whole: the record before it, or this one. */
export async function writeRecord(folder: string, record: BundleRecord): Promise<void> {
  const text = JSON.stringify({ version: recordVersion, ...record }, undefined, 1);
  await writeWhole(join(folder, recordName), Buffer.from(`${text}\n`));
}
