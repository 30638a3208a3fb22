import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { InstrumentedGlue } from '../../src/instrument/index.js';
import { DirtyBitmap } from '../../src/memory/bitmap.js';
import type { Region } from '../../src/memory/region.js';

const pageBytes = 4096;
const steps = 400;

/** What is made of the glue before it is evaluated. */
let change = (glue: InstrumentedGlue): InstrumentedGlue => glue;

vi.mock('../../src/instrument/instrument-glue.js', async (original) => {
  const { instrumentGlue } =
    await original<typeof import('../../src/instrument/instrument-glue.js')>();
  return { instrumentGlue: async (source: string) => change(await instrumentGlue(source)) };
});

beforeEach(() => vi.resetModules());

/** Numbers below `count`, the same each time. */
function dice(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

/** The whole of sql.js' interface: its types say less than it can do. */
interface Database {
  run(sql: string, values?: unknown): unknown;
  exec(sql: string, values?: unknown): unknown;
  create_function(name: string, work: (...values: never[]) => unknown): unknown;
  create_aggregate(name: string, steps: object): unknown;
  each(sql: string, values: unknown, callback: (row: unknown) => void, done: () => void): unknown;
  export(): Uint8Array;
  getRowsModified(): number;
}

/** One thing of many that a program may do with SQLite, some of which fail. */
function act(db: Database, roll: (count: number) => number, step: number): void {
  const text = 'añ€😀x'.repeat(roll(300));
  const blob = Uint8Array.from({ length: roll(9000) }, () => roll(256));
  const table = `${['main', 'live', 'temp'][roll(3)]}.t${roll(4)}`;
  const acts: (() => unknown)[] = [
    () => db.run(`CREATE TABLE IF NOT EXISTS ${table} (a, b TEXT, c BLOB, d REAL)`),
    () => db.run(`INSERT INTO ${table} VALUES (?, ?, ?, ?)`, [step, text, blob, step / 7]),
    () =>
      db.run(`INSERT INTO ${table} VALUES ($a, $b, NULL, $d)`, { $a: -step, $b: text, $d: 1e99 }),
    () => db.run(`UPDATE ${table} SET b = ? WHERE a % 3 = ?`, [text, roll(3)]),
    () => db.run(`DELETE FROM ${table} WHERE a < ?`, [step - 60]),
    () => db.exec(`SELECT *, twice(a), long(b) FROM ${table} ORDER BY b DESC, c`),
    () => db.exec(`SELECT group_concat(b), total2(a) FROM ${table} GROUP BY d`),
    () =>
      db.each(
        `SELECT * FROM ${table} WHERE a > $a`,
        { $a: roll(step + 1) },
        () => {},
        () => {},
      ),
    () => db.exec('PRAGMA integrity_check; VACUUM; SELECT random(), datetime(), sqlite_version()'),
    () => db.run(`CREATE INDEX IF NOT EXISTS i${roll(9)} ON t${roll(4)} (b, a)`),
    () => db.exec(`SELECT nonsense${text} FROM ${table}`),
    () => db.run(['BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'RELEASE s'][roll(5)] ?? ''),
    () => db.exec('SELECT fails(1)'),
    () => db.create_function('twice', (value: number) => value * 2),
    () =>
      db.create_function(
        'long',
        (value: string) => [text, blob, step, null, true][roll(5)] ?? value,
      ),
    () => db.getRowsModified(),
  ];
  try {
    // It opens the database anew.
    if (step % 97 === 96) db.export();
    if (step % 97 < 2) db.run("ATTACH ':memory:' AS live");
    acts[roll(acts.length)]?.();
  } catch {
    // That statements fail is part of it.
  }
}

function bytesOf(region: Region): Buffer {
  const { buffer, byteOffset, byteLength } = region.memory?.() ?? new Uint8Array();
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Works with SQLite, and counts the pages that became others without a mark, after each step; and those that were marked. */
async function missedPages(seed: number): Promise<{ missed: number; marked: number }> {
  const { bootSqlite } = await import('../../src/guests/sqljs.js');
  const { wasmGuest } = await import('../../src/guests/wasm/index.js');
  const { wasm, program, db: opened } = await bootSqlite(26 * 2 ** 20);
  const db = opened as unknown as Database;
  const guest = await wasmGuest({
    ...program,
    module: wasm,
    glue: { regions: () => [], save: () => new Uint8Array(), load() {} },
    hostWrites: 'known',
  });
  db.create_function('twice', (value: number) => value + value);
  db.create_function('long', (value: string) => value + value);
  db.create_function('fails', () => {
    throw new Error('as it should');
  });
  db.create_aggregate('total2', {
    init: () => 0,
    step: (state: number, value: number) => state + value,
    finalize: (state: number) => state,
  });
  const [region] = guest.regions;
  if (region === undefined) throw new Error('no memory');
  const roll = dice(seed);
  guest.tracker.start();
  let known = Buffer.from(bytesOf(region));
  let missed = 0;
  let marked = 0;
  for (let step = 0; step < steps; step++) {
    act(db, roll, step);
    const now = bytesOf(region);
    // Memory that is new was zero.
    if (now.byteLength > known.byteLength) known = Buffer.concat([known], now.byteLength);
    const marks = DirtyBitmap.create(now.byteLength / pageBytes);
    guest.tracker.take(region, marks);
    for (let page = 0; page < marks.bits; page++) {
      const at = page * pageBytes;
      if (marks.test(page)) marked++;
      else if (now.compare(known, at, at + pageBytes, at, at + pageBytes) !== 0) missed++;
      else continue;
      now.copy(known, at, at, at + pageBytes);
    }
  }
  guest.tracker.stop();
  return { missed, marked };
}

/** Takes what tells of an assignment out of the helpers whose text has `assigning`. */
function silent(assigning: string): typeof change {
  return ({ code, report }) => {
    const lines = code.split('\n').map((line) => {
      const isHelper = line.startsWith('function __pageferry_') && line.includes(assigning);
      return isHelper ? line.replace(/if\(\w+\.length!==0\)\w+\(o,k\);/, '') : line;
    });
    return { code: lines.join('\n'), report };
  };
}

describe('the marks of SQLite and its glue', () => {
  it.each([1, 2, 3])('are on every page that changed, whatever is done (%i)', async (seed) => {
    change = (glue) => glue;
    const { missed, marked } = await missedPages(seed);
    expect(missed).toBe(0);
    expect(marked).toBeGreaterThan(1000);
  });

  it('would be missing where nothing told of plain assignments', async () => {
    change = silent('o[k]=v;');
    const { missed } = await missedPages(1);
    expect(missed).toBeGreaterThan(0);
  });
});
