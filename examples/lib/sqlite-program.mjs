// SQLite as a guest: sql.js with a write log, a database in a file, which its glue keeps in JavaScript, and one in memory.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { emscriptenGlue, programSource } from 'pageferry/guests/emscripten';
import { wasmGuest } from 'pageferry/guests/wasm';
import { hasMultiMemory, instrument } from 'pageferry/instrument';

const require = createRequire(import.meta.url);

export async function boot() {
  const place = hasMultiMemory() ? 'second-memory' : 'none';
  const bytes = readFileSync(require.resolve('sql.js/dist/sql-wasm-debug.wasm'));
  const { wasm } = instrument(bytes, { place });
  const { program, instantiateWasm } = programSource(wasm);
  const SQL = await initSqlJs({ instantiateWasm, thisProgram: 'sqlite', print() {} });
  const { instance, imports, memory } = await program;
  const glue = emscriptenGlue({ module: SQL, program: await program });
  const guest = await wasmGuest({ module: wasm, instance, imports, memory, glue });

  const db = openDatabase(SQL);
  const insert = db.prepare('INSERT INTO orders (item, amount) VALUES (?, ?)');
  const total = db.prepare('INSERT INTO live.totals SELECT max(id), sum(amount) FROM orders');
  const last = db.prepare('SELECT coalesce(max(id), 0) FROM orders');
  const one = (statement) => {
    statement.step();
    const [value] = statement.get();
    statement.reset();
    return value;
  };
  const steps = () => one(last);
  return {
    guest,
    steps,
    /** One transaction over both databases. */
    step() {
      const order = steps() + 1;
      db.run('BEGIN');
      insert.run([`item ${order % 97} ${'x'.repeat(order % 700)}`, (order * 7919) % 1000]);
      if (order % 10 === 0) total.run();
      if (order % 5 === 0) db.run('DELETE FROM orders WHERE id = ?', [order - 2000]);
      db.run('COMMIT');
    },
    digest() {
      const rows = db.exec(
        'SELECT * FROM orders; SELECT * FROM live.totals; PRAGMA integrity_check',
      );
      return hashOf(JSON.stringify(rows));
    },
  };
}

/** The same at both ends: statements, handles, and the random name that the glue gives to its file. */
function openDatabase(SQL) {
  const { random } = Math;
  Math.random = () => 0.5;
  const db = new SQL.Database();
  Math.random = random;
  db.run("ATTACH ':memory:' AS live");
  db.run('CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT, amount INTEGER)');
  db.run('CREATE TABLE live.totals (id INTEGER, total INTEGER)');
  return db;
}

/** sql.js keeps its file system to itself: a line behind the one that starts it lets it out. */
function initSqlJs(options) {
  const path = require.resolve('sql.js/dist/sql-wasm-debug.js');
  const started = 'FS.staticInit();';
  const source = readFileSync(path, 'utf8').replace(
    started,
    `${started} Object.defineProperty(Module, 'FS', { value: FS });`,
  );
  const scope = { exports: {} };
  new Function('module', 'exports', 'require', '__dirname', '__filename', source)(
    scope,
    scope.exports,
    require,
    '.',
    path,
  );
  return scope.exports.default(options);
}

function hashOf(text) {
  return require('node:crypto').createHash('sha256').update(text).digest('hex').slice(0, 16);
}
