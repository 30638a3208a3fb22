import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction } from 'node:vm';
import { FerryError } from '../errors.js';
import { instrument, instrumentGlue } from '../instrument/index.js';
import {
  type InstantiatedProgram,
  type ProgramSource,
  programSource,
} from './emscripten/instance.js';

export type SqlValue = number | string | Uint8Array | null;

/** The parts of sql.js that are used here: the package is an optional peer, so its types are not ours to show. */
export interface SqlStatement {
  bind(values: readonly SqlValue[]): boolean;
  step(): boolean;
  get(): SqlValue[];
  reset(): void;
}

export interface SqlDatabase {
  prepare(sql: string): SqlStatement;
  run(sql: string): unknown;
}

interface SqlModule {
  readonly Database: new () => SqlDatabase;
}

interface SqlConfig extends Pick<ProgramSource, 'instantiateWasm'> {
  /** What the program takes for its own path. The default is the path of the process's script, and lands in memory. */
  readonly thisProgram: string;
}

type InitSqlJs = (config: SqlConfig) => Promise<SqlModule>;

/** An instance of SQLite with its insides in reach. */
export interface SqlInstance {
  readonly db: SqlDatabase;
  readonly program: InstantiatedProgram;
  /** The bytes that run: instrumented. */
  readonly wasm: Uint8Array;
  /** Addresses in memory that the glue's object of the database keeps. */
  readonly handles: Readonly<Record<string, number>>;
  /** SHA-256 of the glue, as it was published. */
  readonly version: string;
  /** Whether all that the glue writes to memory is told to `trackWrites`. */
  readonly tellsWrites: boolean;
}

/** The same at both ends, so that their memories begin alike. */
const thisProgram = 'pageferry';

interface SqlJs {
  /** The glue keeps its one instance for ever; evaluated anew it makes another. */
  readonly init: () => InitSqlJs;
  readonly wasm: Uint8Array;
  readonly version: string;
  readonly tellsWrites: boolean;
}

let loading: Promise<SqlJs> | undefined;

/** Finds sql.js and puts a write log into it, where the engine has room for one, and what tells of writes into its glue; once a process. */
async function loadSqlJs(): Promise<SqlJs> {
  loading ??= load();
  try {
    return await loading;
  } catch (error) {
    loading = undefined;
    throw error;
  }
}

/** ERR_UNSUPPORTED if it is not installed. */
async function load(): Promise<SqlJs> {
  const require = createRequire(import.meta.url);
  let gluePath: string;
  let source: string;
  let bytes: Uint8Array;
  try {
    gluePath = require.resolve('sql.js');
    source = readFileSync(gluePath, 'utf8');
    bytes = readFileSync(require.resolve('sql.js/dist/sql-wasm.wasm'));
  } catch (cause) {
    throw new FerryError('ERR_UNSUPPORTED', 'the sqlite guest needs sql.js: npm install sql.js', {
      cause,
    });
  }
  const { code, report } = await instrumentGlue(source);
  const { wasm } = instrument(bytes, { hostGrows: true });
  return {
    init: commonJs(code, gluePath),
    wasm,
    version: createHash('sha256').update(source).digest('hex'),
    tellsWrites: report.unseen.length === 0,
  };
}

/** What evaluates the source of a CommonJS module, and gives what it exports; anew each time. */
function commonJs<T>(code: string, path: string): () => T {
  const names = ['exports', 'require', 'module', '__filename', '__dirname'];
  const evaluate = compileFunction(code, names, { filename: path });
  return () => {
    const module = { exports: {} };
    const values = [module.exports, createRequire(path), module, path, dirname(path)];
    Reflect.apply(evaluate, module.exports, values);
    return module.exports as T;
  };
}

/** Boots SQLite with memory of `byteLength` (at least 26 MiB), the same way each time. */
export async function bootSqlite(byteLength: number): Promise<SqlInstance> {
  const { init, wasm, version, tellsWrites } = await loadSqlJs();
  const source = programSource(wasm);
  const module = await init()({ thisProgram, instantiateWasm: source.instantiateWasm });
  const program = await source.program;
  program.size.grow(byteLength);
  const db = withFixedRandom(() => new module.Database());
  return { db, program, wasm, handles: handlesOf('database', db), version, tellsWrites };
}

/** The glue names its files at random, and the name is in memory. */
function withFixedRandom<T>(make: () => T): T {
  const { random } = Math;
  Math.random = () => 0.5;
  try {
    return make();
  } finally {
    Math.random = random;
  }
}

/** The addresses that an object of the glue keeps, whatever its minified fields are called. */
export function handlesOf(name: string, object: object): Record<string, number> {
  const handles: Record<string, number> = {};
  for (const [field, value] of Object.entries(object)) {
    if (typeof value === 'number') handles[`${name}.${field}`] = value;
  }
  return handles;
}
