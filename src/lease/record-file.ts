import { readFile } from 'node:fs/promises';
import { FerryError } from '../errors.js';
import { writeWhole } from '../guests/durable-file.js';
import { systemCode } from '../guests/file-io.js';
import { decodeOwnerRecord, encodeOwnerRecord, type OwnerRecord } from './owner-record.js';

export interface KeptRecord {
  /** 0: there is none. */
  readonly revision: bigint;
  readonly record: OwnerRecord | undefined;
}

const lastRevision = 2n ** 64n - 1n;

/** The record in the file at `path`: its revision in decimal, a line feed, `encodeOwnerRecord`. ERR_LEASE_UNKNOWN for anything else. */
export async function readRecord(path: string): Promise<KeptRecord> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return { revision: 0n, record: undefined };
    throw new FerryError('ERR_LEASE_UNKNOWN', `cannot read ${path}`, { cause });
  }
  const end = bytes.indexOf('\n');
  const said = bytes.subarray(0, Math.max(0, end)).toString('latin1');
  const revision = /^[1-9]\d{0,19}$/.test(said) ? BigInt(said) : 0n;
  if (revision === 0n || revision > lastRevision) {
    throw new FerryError('ERR_LEASE_UNKNOWN', `${path} has no revision`);
  }
  return { revision, record: decodeOwnerRecord(bytes.subarray(end + 1)) };
}

/** Replaces it in one step, durable when it resolves. ERR_LEASE_UNKNOWN: perhaps it did, perhaps not; a sync that failed is not tried again. */
export async function writeRecord(
  path: string,
  revision: bigint,
  record: OwnerRecord,
): Promise<void> {
  const bytes = Buffer.concat([Buffer.from(`${revision}\n`), encodeOwnerRecord(record)]);
  try {
    await writeWhole(path, bytes);
  } catch (cause) {
    throw new FerryError('ERR_LEASE_UNKNOWN', (cause as Error).message, { cause });
  }
}
