// Pairs of states of one memory, of guests that people have.
import { xorshift } from '../src/guests/random.js';
import { bootSqlite } from '../src/guests/sqljs.js';
import { benchImport } from './bench-packages.js';
import { makeImage } from './image.js';
import { LinuxGuest } from './linux-guest.js';
import { nodeHeap } from './node-heap.js';

const pageBytes = 4096;
const mebibyte = 2 ** 20;

/** Two states of equal length, a multiple of 4096. */
export interface MemoryPair {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Pairs and their names. What is needed to make them may not be installed: then it throws. */
type Pairs = AsyncIterator<readonly [name: string, pair: MemoryPair]>;

/** By what they are of. */
export const memoryPairs: Readonly<Record<string, () => Pairs>> = {
  async *bytes() {
    yield ['sparse', sparse()];
    yield ['random-pages', randomPages()];
  },
  async *sqlite() {
    const text = (random: Random) => note(random, 20 + random.below(180));
    yield ['sqlite-lengths', await sqlite(1500, 'note = ?', (random) => [text(random)])];
    yield ['sqlite-in-place', await sqlite(1000, 'amount = ?, code = ?', fixedLengths)];
  },
  async *pglite() {
    yield ['pglite', await pglite()];
  },
  async *quickjs() {
    yield ['quickjs', await quickjs()];
  },
  async *node() {
    yield ['node-heap', await nodeHeap()];
  },
  async *linux() {
    await using guest = await LinuxGuest.boot();
    for (const line of shellFunctions) await guest.run(line);
    yield ['linux-idle', await linux(guest, 'sleep 3')];
    yield ['linux-file', await linux(guest, 'fill_file')];
    await guest.run('count_up & sleep 1');
    yield ['linux-small-writes', await linux(guest, 'sleep 3')];
  },
};

/** The same numbers each time. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = xorshift(this.#state);
    return this.#state % limit;
  }
}

/** 16 MiB; in 2 % of the pages four words change. */
function sparse(): MemoryPair {
  const random = new Random(1);
  const before = makeImage(16 * mebibyte, 0.4, 16);
  const after = before.slice();
  const pages = before.length / pageBytes;
  for (let count = 0; count < pages / 50; count++) {
    const page = random.below(pages) * pageBytes;
    for (let place = 0; place < 4; place++) {
      const at = page + random.below(pageBytes / 8) * 8;
      for (let byte = at; byte < at + 8; byte++) after[byte] = random.below(256);
    }
  }
  return { before, after };
}

/** 16 MiB; one page in twenty gets wholly new, random content. */
function randomPages(): MemoryPair {
  const before = makeImage(16 * mebibyte, 0.4, 16);
  const after = before.slice();
  for (let at = 0; at < after.length; at += 20 * pageBytes) {
    after.set(makeImage(pageBytes, 0), at);
  }
  return { before, after };
}

const words = Array.from({ length: 512 }, (_, index) => {
  const random = new Random(7 + index * 2);
  const letters = () => 'abcdefghijklmnopqrstuvwxyz'[random.below(26)];
  return Array.from({ length: 2 + random.below(8) }, letters).join('');
});

/** So many letters of words. */
function note(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += `${words[random.below(words.length)]} `;
  return text.slice(0, length);
}

const rows = 12_000;

/** SQLite with 12,000 rows, before and after one transaction of so many updates of rows here and there. */
async function sqlite(
  updates: number,
  set: string,
  newValues: (random: Random) => readonly (string | number)[],
): Promise<MemoryPair> {
  const random = new Random(3);
  const { db, program } = await bootSqlite(32 * mebibyte);
  const { memory, size } = program;
  const bytes = () => new Uint8Array(memory.buffer, 0, size.byteLength);
  // The rows of `main` would be in a file system of JavaScript's; these are in WebAssembly memory.
  db.run("ATTACH ':memory:' AS live");
  db.run('CREATE TABLE live.item (id INTEGER PRIMARY KEY, amount INTEGER, code TEXT, note TEXT)');
  const insert = db.prepare('INSERT INTO live.item VALUES (?, ?, ?, ?)');
  db.run('BEGIN');
  for (let id = 1; id <= rows; id++) {
    insert.bind([id, ...fixedLengths(random), note(random, 20 + random.below(180))]);
    insert.step();
    insert.reset();
  }
  db.run('COMMIT');
  const before = bytes().slice();
  const update = db.prepare(`UPDATE live.item SET ${set} WHERE id = ?`);
  db.run('BEGIN');
  for (let count = 0; count < updates; count++) {
    update.bind([...newValues(random), 1 + random.below(rows)]);
    update.step();
    update.reset();
  }
  db.run('COMMIT');
  return sameLength(before, bytes());
}

/** An amount and a code, as long as all others in SQLite's records. */
function fixedLengths(random: Random): readonly [number, string] {
  const code = Array.from({ length: 16 }, () => random.below(36).toString(36)).join('');
  return [2 ** 24 + random.below(2 ** 30), code];
}

interface PGliteModule {
  readonly PGlite: new () => {
    readonly Module: { readonly HEAPU8: Uint8Array };
    readonly waitReady: Promise<void>;
    exec(sql: string): Promise<unknown>;
    close(): Promise<void>;
  };
}

/** PostgreSQL with 5,000 rows, before and after 500 updates, each a transaction. */
async function pglite(): Promise<MemoryPair> {
  const { PGlite } = await benchImport<PGliteModule>('@electric-sql/pglite');
  const random = new Random(5);
  const postgres = new PGlite();
  await postgres.waitReady;
  await postgres.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, amount INTEGER, note TEXT)');
  const values = Array.from({ length: 5000 }, (_, id) => {
    return `(${id}, ${random.below(2 ** 30)}, '${note(random, 40 + random.below(400))}')`;
  });
  await postgres.exec(`INSERT INTO item VALUES ${values.join(', ')}`);
  const update = async (): Promise<void> => {
    const text = note(random, 40 + random.below(400));
    await postgres.exec(`UPDATE item SET note = '${text}' WHERE id = ${random.below(5000)}`);
  };
  // What a first statement sets up is no part of the workload.
  for (let count = 0; count < 100; count++) await update();
  const before = postgres.Module.HEAPU8.slice();
  for (let count = 0; count < 500; count++) await update();
  const pair = sameLength(before, postgres.Module.HEAPU8);
  await postgres.close();
  return pair;
}

interface QuickJsPackage {
  getQuickJS(): Promise<{
    getWasmMemory(): WebAssembly.Memory;
    newContext(): { evalCode(code: string): { dispose(): void } };
  }>;
}

/** A JavaScript heap in WebAssembly: a map of 10,000 objects, of which 1,000 are replaced. */
async function quickjs(): Promise<MemoryPair> {
  const { getQuickJS } = await benchImport<QuickJsPackage>('quickjs-emscripten');
  const engine = await getQuickJS();
  const context = engine.newContext();
  const run = (code: string): void => context.evalCode(code).dispose();
  run(`
    let seed = 9;
    const below = (limit) => {
      seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5;
      return (seed >>> 0) % limit;
    };
    const items = new Map();
    const fresh = (id) => ({ id, name: 'item ' + below(1e6), sizes: [below(9), below(99), below(999)], at: { x: below(1e4), y: Math.sqrt(below(1e4)) } });
    for (let id = 0; id < 10000; id++) items.set(id, fresh(id));
    const work = (times) => {
      for (let count = 0; count < times; count++) items.set(below(10000), fresh(count));
    };
    work(1000);
  `);
  const before = new Uint8Array(engine.getWasmMemory().buffer).slice();
  run('work(1000);');
  return sameLength(before, new Uint8Array(engine.getWasmMemory().buffer));
}

/** Words of the guest's shell. */
const shellFunctions = [
  'count_up() { n=0; while true; do n=$((n + 1)); echo $n > /tmp/count; usleep 10000; done; }',
  'fill_file() { cat /dev/urandom | head -c 1048576 > /tmp/file; }',
];

/** Linux in an emulator, before and after what `work` makes it do. */
async function linux(guest: LinuxGuest, work: string): Promise<MemoryPair> {
  const before = await guest.snapshot();
  await guest.run(work);
  return { before, after: await guest.snapshot() };
}

/** A copy of what memory is now, and what it was before: zero where it was not there yet. */
function sameLength(before: Uint8Array, memory: Uint8Array): MemoryPair {
  const after = memory.slice();
  const grown = new Uint8Array(after.length);
  grown.set(before);
  return { before: grown, after };
}
