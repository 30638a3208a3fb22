import { lstat, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { syncFolder } from '../guests/durable-file.js';
import { fileError } from '../guests/file-io.js';
import { AliveFile, aliveness, lifeOf, putOut } from './alive-file.js';
import { encodeOwnerRecord } from './owner-record.js';
import { OwnerWatch } from './owner-watch.js';
import { thisProcess } from './process-identity.js';
import type { LeaseProvider } from './provider.js';
import { type KeptRecord, readRecord, writeRecord } from './record-file.js';
import type { Renewal } from './renewal.js';
import type { LeaseView, Swap, SwapOutcome } from './swap.js';
import { takeTurn } from './turn.js';

export interface EmbeddedLeaseOptions {
  /** A folder that all of them share, on a file system of this machine; made, for this user alone, if there is none. */
  readonly folder: string;
  /** How long an owner may give no sign before another may kill it and take over, milliseconds, 100 to 600,000. Default 1000. */
  readonly ttlMs?: number;
}

/** How long a change of the record may take before who makes it counts as hung: a disk may be slow. */
const slowMs = 5000;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Leases between processes of one machine and one user, without a server: files in a folder, locks of the kernel on them. Whoever dies loses its lease at once; whoever hangs is
 * killed before another takes over. ERR_UNSUPPORTED where there is no /proc or no flock(1); ERR_IO for a folder that others can write to.
 */
export async function embeddedLease({
  folder,
  ttlMs = 1000,
}: EmbeddedLeaseOptions): Promise<LeaseProvider> {
  if (!(ttlMs >= 100 && ttlMs <= 600_000)) {
    throw new RangeError(`ttlMs must be 100 to 600000, got ${ttlMs}`);
  }
  if (thisProcess() === undefined) {
    throw new FerryError('ERR_UNSUPPORTED', 'leases of one machine need Linux and its /proc');
  }
  const path = resolve(folder);
  await makeFolder(path);
  return new EmbeddedLease(path, ttlMs);
}

class EmbeddedLease implements LeaseProvider {
  readonly ttlMs: number;
  readonly #folder: string;
  /** By guest: what is held here. */
  readonly #held = new Map<string, { readonly generation: bigint; readonly file: AliveFile }>();
  readonly #watches = new Set<() => void>();
  /** Whose lock was seen free, by the path of the file: the lease is over, but the process may still be ending. */
  readonly #freed = new Map<string, string>();
  #isClosed = false;

  constructor(folder: string, ttlMs: number) {
    this.#folder = folder;
    this.ttlMs = ttlMs;
  }

  async read(guest: string): Promise<LeaseView> {
    await this.#place(guest);
    for (let before = await this.#record(guest); ; ) {
      const view = await this.#view(guest, before);
      // Of one moment: it was the same before and after.
      const after = await this.#record(guest);
      if (after.revision === view.revision) return view;
      before = after;
    }
  }

  async swap(guest: string, swap: Swap): Promise<SwapOutcome> {
    encodeOwnerRecord(swap.record);
    const place = await this.#place(guest);
    const turn = await takeTurn(join(place, 'turn'), Math.max(slowMs, this.ttlMs)).catch(unknown);
    try {
      return await this.#swapInTurn(guest, swap);
    } finally {
      await turn.close();
    }
  }

  async renew(guest: string, generation: bigint): Promise<boolean> {
    await this.#place(guest);
    const held = this.#held.get(guest);
    if (held?.generation !== generation || !held.file.isHeld) return false;
    const { record } = await this.#record(guest);
    if (record?.generation !== generation) {
      await this.#letGo(guest);
      return false;
    }
    await held.file.beat().catch(unknown);
    return held.file.isHeld;
  }

  renewal(guest: string, generation: bigint): Renewal | undefined {
    const held = this.#held.get(guest);
    if (held?.generation !== generation || !held.file.isHeld) return undefined;
    const { path: alivePath, life } = held.file;
    return {
      ...{ engine: 'embedded', generation, alivePath, life },
      recordPath: this.#recordPath(guest),
    };
  }

  async resign(guest: string, generation: bigint): Promise<void> {
    await this.#place(guest);
    if (this.#held.get(guest)?.generation === generation) await this.#letGo(guest);
  }

  watch(guest: string, onChange: () => void): () => void {
    checkName(guest);
    const watching = new OwnerWatch(
      () => this.#alivePath(guest),
      join(this.#folder, guest),
      onChange,
      (path, life) => this.#freed.set(path, life),
    );
    this.#watches.add(watching.end);
    return () => {
      this.#watches.delete(watching.end);
      watching.end();
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#watches) end();
    this.#watches.clear();
    for (const guest of [...this.#held.keys()]) await this.#letGo(guest);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Nobody else changes the record meanwhile. */
  async #swapInTurn(guest: string, { expected, record, unlessAlive }: Swap): Promise<SwapOutcome> {
    const before = await this.#record(guest);
    const view = await this.#view(guest, before);
    const isLost = before.revision !== expected || (unlessAlive && view.alive !== undefined);
    if (isLost) return { type: 'lost', view };
    const held = this.#held.get(guest);
    const isOurs = held?.generation === record.generation && held.file.isHeld;
    const { generation } = before.record ?? {};
    if (generation !== undefined && view.alive === undefined && !isOurs) {
      const path = this.#pathOf(guest, generation);
      const reason = (await this.#isFreed(path)) ? undefined : await putOut(path).catch(unknown);
      if (reason !== undefined) throw new FerryError('ERR_LEASE_UNKNOWN', reason);
    }
    const file = isOurs ? held.file : await this.#take(guest, record.generation);
    await file.beat().catch(unknown);
    try {
      // The guest's own folder is new.
      if (expected === 0n) await syncFolder(this.#folder).catch(unknown);
      await writeRecord(this.#recordPath(guest), expected + 1n, record);
    } catch (error) {
      if (!isOurs) await file.release();
      throw error;
    }
    if (!isOurs) {
      await this.#letGo(guest);
      this.#held.set(guest, { generation: record.generation, file });
      // Closed meanwhile: nobody would renew it, and this process would be killed for that.
      if (this.#isClosed) await this.#letGo(guest);
    }
    return { type: 'won', revision: expected + 1n };
  }

  async #take(guest: string, generation: bigint): Promise<AliveFile> {
    const file = await AliveFile.take(this.#pathOf(guest, generation)).catch(unknown);
    if (file !== undefined) return file;
    throw new FerryError(
      'ERR_LEASE_UNKNOWN',
      `generation ${generation} of ${guest} is held already`,
    );
  }

  async #letGo(guest: string): Promise<void> {
    const held = this.#held.get(guest);
    this.#held.delete(guest);
    await held?.file.release();
  }

  async #view(guest: string, { revision, record }: KeptRecord): Promise<LeaseView> {
    if (record === undefined) return { revision, record, alive: undefined };
    const { generation } = record;
    const path = this.#pathOf(guest, generation);
    const isFreed = await this.#isFreed(path);
    const stands = isFreed ? 'gone' : await aliveness(path, this.ttlMs).catch(unknown);
    return { revision, record, alive: stands === 'alive' ? generation : undefined };
  }

  async #isFreed(path: string): Promise<boolean> {
    const life = this.#freed.get(path);
    return life !== undefined && (await lifeOf(path).catch(unknown)) === life;
  }

  async #alivePath(guest: string): Promise<string | undefined> {
    const { record } = await this.#record(guest);
    return record === undefined ? undefined : this.#pathOf(guest, record.generation);
  }

  #record(guest: string): Promise<KeptRecord> {
    return readRecord(this.#recordPath(guest));
  }

  #recordPath(guest: string): string {
    return join(this.#folder, guest, 'owner');
  }

  #pathOf(guest: string, generation: bigint): string {
    return join(this.#folder, guest, `alive.${generation}`);
  }

  async #place(guest: string): Promise<string> {
    checkName(guest);
    if (this.#isClosed) throw new FerryError('ERR_LEASE_UNKNOWN', 'the leases were closed');
    const place = join(this.#folder, guest);
    await mkdir(place, { recursive: true, mode: 0o700 }).catch(unknown);
    return place;
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    for (let made = path; first !== undefined && made.length >= first.length; ) {
      made = dirname(made);
      await syncFolder(made);
    }
    const stats = await lstat(path);
    const isPrivate = stats.isDirectory() && (stats.mode & 0o077) === 0;
    if (isPrivate && stats.uid === process.getuid?.()) return;
  } catch (error) {
    throw fileError(error, `cannot make ${path}`);
  }
  throw new FerryError('ERR_IO', `${path} is not a folder of this user alone (mode 0700)`);
}

function checkName(guest: string): void {
  if (!namePattern.test(guest)) throw new RangeError(`a guest called ${JSON.stringify(guest)}`);
}

/** Nobody knows what became of it. */
function unknown(error: unknown): never {
  if (error instanceof FerryError) throw error;
  throw new FerryError('ERR_LEASE_UNKNOWN', (error as Error).message, { cause: error });
}
