import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type { Database, InitSqlJsStatic } from 'sql.js';
import { instrumentGlue } from '../src/instrument/instrument-glue.js';

const require = createRequire(import.meta.url);
const rows = 400;

/** A program under its glue, and what it does once. */
export interface GlueWork {
  readonly memory: WebAssembly.Memory;
  run(): void;
}

/** SQLite whose glue is as published, or rewritten: rows of texts and bytes go in through the glue, and come out. */
export async function sqliteWork(isRewritten: boolean): Promise<GlueWork> {
  const path = require.resolve('sql.js');
  const published = readFileSync(path, 'utf8');
  const code = isRewritten ? (await instrumentGlue(published)).code : published;
  const module: { exports: unknown } = { exports: {} };
  const evaluate = compileFunction(code, ['module', 'exports', 'require', '__dirname']);
  evaluate(module, module.exports, require, '.');
  const bytes = readFileSync(require.resolve('sql.js/dist/sql-wasm.wasm'));
  let memory: WebAssembly.Memory | undefined;
  const SQL = await (module.exports as InitSqlJsStatic)({
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
      WebAssembly.instantiate(bytes, imports).then(({ instance }) => {
        memory = Object.values(instance.exports).find((each) => each instanceof WebAssembly.Memory);
        done(instance);
      });
      return {};
    },
  });
  if (memory === undefined) throw new Error('sql.js exports no memory');
  return { memory, run: workOn(new SQL.Database()) };
}

function workOn(db: Database): () => void {
  db.run("ATTACH ':memory:' AS live");
  db.run('CREATE TABLE live.t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c BLOB)');
  const blob = new Uint8Array(200).fill(7);
  const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?, ?)');
  const select = db.prepare('SELECT * FROM t WHERE id = ?');
  return () => {
    for (let id = 0; id < rows; id++) {
      insert.run([id, `row ${id} of some length, añ€`, 'x'.repeat(id % 100), blob]);
    }
    for (let id = 0; id < rows; id++) {
      select.bind([id]);
      select.step();
      select.get();
      select.reset();
    }
    db.run('DELETE FROM t');
  };
}
