import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { FerryError } from '../errors.js';
import { instrument } from '../instrument/index.js';
import { growThrough, placeBesideGlue } from './emscripten/growth.js';
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
}

/** The same at both ends, so that their memories begin alike. */
const thisProgram = 'pageferry';

interface SqlJs {
  readonly init: () => InitSqlJs;
  readonly wasm: Uint8Array;
  /** SHA-256 of the glue. */
  readonly version: string;
}

let loaded: SqlJs | undefined;

/** Finds sql.js and puts a write log into it, where the engine has room for one; once a process. ERR_UNSUPPORTED if it is not installed. */
export function loadSqlJs(): SqlJs {
  loaded ??= load();
  return loaded;
}

function load(): SqlJs {
  const require = createRequire(import.meta.url);
  let gluePath: string;
  let bytes: Uint8Array;
  try {
    gluePath = require.resolve('sql.js');
    bytes = readFileSync(require.resolve('sql.js/dist/sql-wasm.wasm'));
  } catch (cause) {
    throw new FerryError('ERR_UNSUPPORTED', 'the sqlite guest needs sql.js: npm install sql.js', {
      cause,
    });
  }
  // The glue keeps its one instance for ever; loaded anew it makes another.
  const init = (): InitSqlJs => {
    delete require.cache[gluePath];
    return require(gluePath);
  };
  const { wasm } = instrument(bytes, { place: placeBesideGlue() });
  const version = createHash('sha256').update(readFileSync(gluePath)).digest('hex');
  return { init, wasm, version };
}

/** Boots SQLite with memory of `byteLength` (at least 26 MiB), the same way each time. */
export async function bootSqlite(byteLength: number): Promise<SqlInstance> {
  const { init, wasm } = loadSqlJs();
  const source = programSource(wasm);
  const module = await init()({ thisProgram, instantiateWasm: source.instantiateWasm });
  const program = await source.program;
  growThrough(program.imports, program.memory, byteLength);
  const db = withFixedRandom(() => new module.Database());
  return { db, program, wasm, handles: handlesOf('database', db) };
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
