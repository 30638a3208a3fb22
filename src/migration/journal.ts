import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { asFerryError, FerryError } from '../errors.js';
import { writeWhole } from '../guests/durable-file.js';

/** What a destination remembers across its own death: which sessions it started. */
export interface Journal {
  /** Durable when it resolves. Called before the guest's first instruction. */
  started(session: Uint8Array, digest: Uint8Array): Promise<void>;
  /** The start failed and no instruction ran. */
  notStarted(session: Uint8Array): Promise<void>;
  /** The digest of a started session, or undefined. */
  find(session: Uint8Array): Promise<Uint8Array | undefined>;
}

interface Entry {
  readonly session: string;
  readonly digest: string;
}

/** Entries kept; older ones are forgotten first. */
const mostEntries = 1024;

/**
 * A journal in one file: JSON {version, entries, check}, written beside its place, synced, renamed, folder synced; ERR_IO or ERR_DISK_FULL
 * where that fails. A file that does not check out is ERR_IO: guessing would answer a source wrongly.
 */
export function fileJournal(path: string): Journal {
  const load = async (): Promise<Entry[]> => {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw asFerryError(error, 'ERR_IO');
    }
    return parse(text, path);
  };
  const store = async (entries: readonly Entry[]): Promise<void> => {
    const kept = entries.slice(-mostEntries);
    const text = JSON.stringify({ version: 1, entries: kept, check: checkOf(kept) });
    await writeWhole(path, Buffer.from(text));
  };
  // Sessions may start at once: each change is made to what the one before has stored.
  let last: Promise<void> = Promise.resolve();
  const change = (session: string, added: readonly Entry[]): Promise<void> => {
    const result = last.then(async () => {
      const others = (await load()).filter((entry) => entry.session !== session);
      await store([...others, ...added]);
    });
    last = result.catch(() => {
      // Told to whoever asked for that change.
    });
    return result;
  };
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    started: (session, digest) =>
      change(hex(session), [{ session: hex(session), digest: hex(digest) }]),
    notStarted: (session) => change(hex(session), []),
    async find(session) {
      const entry = (await load()).find((candidate) => candidate.session === hex(session));
      return entry === undefined ? undefined : Buffer.from(entry.digest, 'hex');
    },
  };
}

function checkOf(entries: readonly Entry[]): string {
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex');
}

function parse(text: string, path: string): Entry[] {
  const broken = new FerryError(
    'ERR_IO',
    `the journal ${path} is damaged; move it away to begin a new one`,
  );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw broken;
  }
  if (typeof value !== 'object' || value === null || !('entries' in value) || !('check' in value))
    throw broken;
  if (!Array.isArray(value.entries) || !value.entries.every(isEntry)) throw broken;
  if (value.check !== checkOf(value.entries)) throw broken;
  return value.entries;
}

function isEntry(value: unknown): value is Entry {
  return (
    typeof value === 'object' &&
    value !== null &&
    'session' in value &&
    typeof value.session === 'string' &&
    'digest' in value &&
    typeof value.digest === 'string'
  );
}
