import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { FerryError } from '../../errors.js';
import type { Region } from '../../memory/region.js';
import type { DirtyTracker } from '../../memory/tracker.js';
import type { OnCommit } from '../commit.js';
import type { Guest, GuestIdentity } from '../guest.js';
import { createPglite, type PgliteGuest, receivePglite } from './guest.js';
import type { PgliteResults } from './types.js';
import {
  accountCount,
  accountOf,
  checkSize,
  digestOf,
  entryCount,
  firstDigest,
  noteOf,
} from './workload-plan.js';

export interface PgliteRunOptions {
  /** Memory before the first table: 128 to 1024 MiB. Equal at both ends. */
  readonly sizeMiB: number;
  /** u32. */
  readonly seed: number;
  /** Told of each transaction once it is committed. */
  readonly onCommit?: OnCommit;
  readonly transactionsPerSecond: number;
}

/** The last transaction made. */
interface Progress {
  readonly seq: number;
  /** u32. */
  readonly digest: number;
}

const tables = `
  create table commits (seq int primary key, digest bigint not null);
  create table account (id int primary key, value bigint not null);
  create table entry (id int primary key, note text not null);
  insert into account select n, 0 from generate_series(1, ${accountCount}) n;
  create temporary table mine (seq int primary key);
  prepare progress as select seq, digest from commits order by seq desc limit 1;
  prepare account (int) as select value from account where id = $1;
  checkpoint;`;

/** PostgreSQL with its tables filled and no transaction made, paused. ERR_UNSUPPORTED if @electric-sql/pglite is not installed. */
export async function createWorkload(options: PgliteRunOptions): Promise<PgliteWorkload> {
  checkSize(options.sizeMiB);
  const guest = await createPglite(settings(options));
  await guest.db.exec(tables);
  await guest.pause();
  return new PgliteWorkload(guest, options);
}

/** PostgreSQL begun like the other, for the other's session to take its place. */
export async function receiveWorkload(options: PgliteRunOptions): Promise<PgliteWorkload> {
  checkSize(options.sizeMiB);
  return new PgliteWorkload(await receivePglite(settings(options)), options);
}

function settings({ sizeMiB }: PgliteRunOptions): { readonly options: object } {
  // The rest of its memory is for what it does.
  const buffersMiB = sizeMiB / 8;
  return {
    options: {
      initialMemory: sizeMiB * 2 ** 20,
      postgresqlconf: `shared_buffers = ${Math.floor(buffersMiB)}MB\nmax_wal_size = 64MB`,
    },
  };
}

/**
 * The real PostgreSQL (PGlite) under continuous transactions, in one session that keeps a temporary table and prepared statements. It is always between two transactions
 * when paused.
 */
export class PgliteWorkload implements Guest {
  readonly kind = 'pglite';
  readonly rehearsable = true;
  readonly tracker: DirtyTracker;
  readonly #guest: PgliteGuest;
  readonly #options: PgliteRunOptions;
  #throttle = 0;
  #seq = 0;
  #isRunning = false;
  /** The loop that makes transactions; over once nothing runs. */
  #loop: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(guest: PgliteGuest, options: PgliteRunOptions) {
    this.#guest = guest;
    this.#options = options;
    this.tracker = guest.tracker;
  }

  get regions(): readonly Region[] {
    return this.#guest.regions;
  }

  describe(): GuestIdentity {
    return { ...this.#guest.describe(), kind: this.kind };
  }

  /** Transactions made in its life, as far as this side knows. */
  get seq(): number {
    return this.#seq;
  }

  async pause(): Promise<void> {
    this.#isRunning = false;
    await this.#loop;
    if (this.#failure !== undefined) {
      throw new FerryError('ERR_GUEST', 'PostgreSQL failed while it ran', { cause: this.#failure });
    }
    await this.#guest.pause();
  }

  async resume(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    await this.#guest.resume();
    this.#loop = this.#work().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  saveState(): Promise<Uint8Array> {
    return this.#guest.saveState();
  }

  loadState(state: Uint8Array): Promise<void> {
    return this.#guest.loadState(state);
  }

  async adopt(offered: Parameters<NonNullable<Guest['adopt']>>[0]): Promise<void> {
    await this.#guest.adopt?.(offered);
  }

  async reshape(id: number, name: string, byteLength: number): Promise<void> {
    await this.#guest.reshape?.(id, name, byteLength);
  }

  handedOver(): void | Promise<void> {
    return this.#guest.handedOver?.();
  }

  throttle(fraction: number): void {
    this.#throttle = fraction;
  }

  /** Asks the session something while no transactions are made; it is paused again behind. */
  async ask<T>(
    question: (query: (sql: string) => Promise<PgliteResults>) => Promise<T>,
  ): Promise<T> {
    await this.#guest.resume();
    try {
      return await question((sql) => this.#guest.db.query(sql));
    } finally {
      await this.#guest.pause();
    }
  }

  async #work(): Promise<void> {
    const { transactionsPerSecond } = this.#options;
    let progress = await this.#progress();
    let due = performance.now();
    while (this.#isRunning) {
      progress = await this.#transact(progress);
      this.#seq = progress.seq;
      due =
        Math.max(due, performance.now() - 50) + 1000 / transactionsPerSecond / (1 - this.#throttle);
      const ms = due - performance.now();
      // Promises alone let nobody else have a turn.
      if (ms > 1) await sleep(ms);
      else await turn();
    }
  }

  async #progress(): Promise<Progress> {
    const [row] = (await this.#guest.db.query('execute progress')).rows;
    if (row === undefined) return { seq: 0, digest: firstDigest(this.#options.seed) };
    return { seq: Number(row['seq']), digest: Number(row['digest']) };
  }

  async #transact(before: Progress): Promise<Progress> {
    const { seed, onCommit } = this.#options;
    const { db } = this.#guest;
    const seq = before.seq + 1;
    const account = accountOf(seed, seq);
    const [row] = (await db.query(`execute account (${account})`)).rows;
    const digest = digestOf(before.digest, seq, account, Number(row?.['value']));
    await db.exec(`
      begin;
      update account set value = ${digest} where id = ${account};
      insert into entry values (${seq}, '${noteOf(seq, digest)}');
      delete from entry where id = ${seq - entryCount};
      insert into mine values (${seq});
      insert into commits values (${seq}, ${digest});
      commit;`);
    onCommit?.(seq, digest);
    return { seq, digest };
  }
}
