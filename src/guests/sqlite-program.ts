import { FerryError } from '../errors.js';
import {
  accountCount,
  accountOf,
  bootSize,
  deletesOf,
  digestOf,
  firstDigest,
  grownSize,
  insertsOf,
  kindOf,
  payloadOf,
} from './sqlite-plan.js';
import {
  bootSqlite,
  handlesOf,
  type SqlInstance,
  type SqlStatement,
  type SqlValue,
} from './sqljs.js';

/** What the program knows besides its memory. */
export interface SqliteRegisters {
  /** u32. */
  readonly seed: number;
  /** Transactions made so far. */
  readonly seq: number;
  /** u32. */
  readonly digest: number;
  /** Ids of the oldest and the newest item. */
  readonly first: number;
  readonly last: number;
  /** True while each transaction adds many items, until memory has its final size. */
  readonly growing: boolean;
}

/** Both ends boot by these statements, in this order, so that the glue's handles are equal. */
const bootSql = [
  'PRAGMA temp_store = MEMORY',
  // The rows of `main` would be in a file system of JavaScript's; these are in WebAssembly memory.
  "ATTACH ':memory:' AS live",
  'CREATE TABLE live.commits (seq INTEGER PRIMARY KEY, kind INTEGER, digest INTEGER)',
  'CREATE TABLE live.account (id INTEGER PRIMARY KEY, value INTEGER)',
  'CREATE TABLE live.item (id INTEGER PRIMARY KEY, payload BLOB)',
];
const preparedSql = {
  begin: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  readAccount: 'SELECT value FROM live.account WHERE id = ?',
  writeAccount: 'UPDATE live.account SET value = ? WHERE id = ?',
  addAccount: 'INSERT INTO live.account VALUES (?, 0)',
  addItem: 'INSERT INTO live.item VALUES (?, ?)',
  dropItem: 'DELETE FROM live.item WHERE id = ?',
  addCommit: 'INSERT INTO live.commits VALUES (?, ?, ?)',
  lastCommit: 'SELECT seq, digest FROM live.commits ORDER BY seq DESC LIMIT 1',
  pagesOutside: 'PRAGMA main.page_count',
  filesOutside: `SELECT count(*) FROM pragma_database_list
    WHERE name NOT IN ('main', 'live') OR name = 'live' AND file <> ''`,
  integrity: 'PRAGMA live.integrity_check',
  allCommits: 'SELECT seq, kind, digest FROM live.commits ORDER BY seq',
  allAccounts: 'SELECT id, value FROM live.account ORDER BY id',
  allItems: 'SELECT id, payload FROM live.item ORDER BY id',
} as const;

type Statements = Readonly<Record<keyof typeof preparedSql, SqlStatement>>;

/** Where nothing grows: each 8th transaction replaces an item, and each 256th drops one to make room for the rows of `commits`. */
const replaceEvery = 8;
const dropEvery = 256;
const minItems = 16;
/** Items inserted by one transaction where memory is to grow: 256 KiB, so that it grows about as fast as a migration takes it. */
const itemsAtOnce = 16;

/** SQLite under continuous transactions: the whole of what the sqlite guest moves. */
export class SqliteProgram {
  readonly instance: SqlInstance;
  readonly maxByteLength: number;
  readonly #statements: Statements;
  /** Addresses in memory that the glue's objects keep: names with values. */
  readonly handles: Readonly<Record<string, number>>;
  registers: SqliteRegisters = { seed: 0, seq: 0, digest: 0, first: 1, last: 0, growing: false };
  /** Whether anything but this program's own transactions ran since `checkOutside` found nothing. They write to `live` alone. */
  #ranForeign = true;

  constructor(instance: SqlInstance, maxByteLength: number) {
    this.instance = instance;
    this.maxByteLength = maxByteLength;
    for (const sql of bootSql) instance.db.run(sql);
    const prepare = (sql: string): SqlStatement => instance.db.prepare(sql);
    const names = Object.keys(preparedSql) as (keyof typeof preparedSql)[];
    const entries = names.map((name) => [name, prepare(preparedSql[name])] as const);
    this.#statements = Object.fromEntries(entries) as Statements;
    this.handles = Object.assign(
      {},
      instance.handles,
      ...entries.map(([name, it]) => handlesOf(name, it)),
    );
    // Opens the empty file of `main`, so that it is open at both ends.
    this.checkOutside();
    // Met here for the first time, not by `checkMemory` while the guest stands still: the engine compiles what it first runs.
    this.#run('lastCommit');
  }

  /** Boots for memory that will be `sizeMiB` at last. Nothing is in the tables. */
  static async boot(sizeMiB: number): Promise<SqliteProgram> {
    return new SqliteProgram(await bootSqlite(bootSize(sizeMiB)), sizeMiB * 2 ** 20);
  }

  /** Of its memory, as it is now. */
  get byteLength(): number {
    return this.instance.program.size.byteLength;
  }

  /** Fills the tables until memory grows for the first time. */
  preload(seed: number): void {
    const byteLength = this.byteLength;
    const digest = firstDigest(seed);
    this.#atomically(() => {
      for (let id = 1; id <= accountCount; id++) this.#run('addAccount', [id]);
    });
    let last = 0;
    while (this.byteLength === byteLength) {
      this.#atomically(() => this.#addItems(seed, last, last + itemsAtOnce));
      last += itemsAtOnce;
    }
    this.#atomically(() => this.#run('addCommit', [0, last, digest]));
    this.registers = { seed, seq: 0, digest, first: 1, last, growing: false };
  }

  /** One transaction: all of it, or an error and nothing. */
  transact(): void {
    const { seed, first, last, digest } = this.registers;
    const seq = this.registers.seq + 1;
    const growing = this.registers.growing && grownSize(this.byteLength) <= this.maxByteLength;
    const kind = growing ? kindOf(itemsAtOnce, 0) : this.#steadyKind(seq);
    const account = accountOf(seed, seq);
    const newFirst = first + deletesOf(kind);
    const newLast = last + insertsOf(kind);
    let next = digest;
    this.#atomically(() => {
      const [value] = this.#run('readAccount', [account]);
      next = digestOf(digest, seq, kind, account, Number(value));
      this.#run('writeAccount', [next, account]);
      this.#addItems(seed, last, newLast);
      for (let id = first; id < newFirst; id++) this.#run('dropItem', [id]);
      this.#run('addCommit', [seq, kind, next]);
    });
    this.registers = { seed, seq, digest: next, first: newFirst, last: newLast, growing };
  }

  #steadyKind(seq: number): number {
    if (seq % dropEvery === 1) {
      return kindOf(0, this.registers.last - this.registers.first >= minItems ? 1 : 0);
    }
    return seq % replaceEvery === 0 ? kindOf(1, 1) : 0;
  }

  #addItems(seed: number, last: number, newLast: number): void {
    for (let id = last + 1; id <= newLast; id++) this.#run('addItem', [id, payloadOf(seed, id)]);
  }

  #atomically(work: () => void): void {
    this.#run('begin');
    try {
      work();
      this.#run('commit');
    } catch (error) {
      this.#run('rollback');
      throw error;
    }
  }

  /** Runs a statement to its first row, and returns that. */
  #run(name: keyof Statements, values: readonly SqlValue[] = []): SqlValue[] {
    const statement = this.#statements[name];
    try {
      statement.bind(values);
      return statement.step() ? statement.get() : [];
    } finally {
      statement.reset();
    }
  }

  /** Runs any statement, between two transactions. */
  run(sql: string): void {
    this.#ranForeign = true;
    this.instance.db.run(sql);
  }

  /** All rows of a statement without parameters. */
  *rows(name: 'integrity' | 'allCommits' | 'allAccounts' | 'allItems'): Generator<SqlValue[]> {
    const statement = this.#statements[name];
    try {
      while (statement.step()) yield statement.get();
    } finally {
      statement.reset();
    }
  }

  /** ERR_UNSUPPORTED, by name, if something is kept where it cannot be carried. Runs statements where that is not known yet: not while paused. */
  checkOutside(): void {
    if (!this.#ranForeign) return;
    const [pages] = this.#run('pagesOutside');
    if (pages !== 0) {
      throw new FerryError(
        'ERR_UNSUPPORTED',
        `database main has ${pages} pages outside the memory`,
      );
    }
    const [files] = this.#run('filesOutside');
    if (files !== 0) {
      throw new FerryError('ERR_UNSUPPORTED', `${files} attached databases are outside the memory`);
    }
    this.#ranForeign = false;
  }

  /** ERR_GUEST unless memory holds what the registers say. Runs statements: not while paused. */
  checkMemory(): void {
    const [seq, digest] = this.#run('lastCommit');
    if (seq !== this.registers.seq || digest !== this.registers.digest) {
      throw new FerryError(
        'ERR_GUEST',
        `memory is at transaction ${seq}, the state at ${this.registers.seq}`,
      );
    }
  }
}
