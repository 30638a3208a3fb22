import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { FerryError } from '../errors.js';

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
  stackSave(): number;
  _malloc(bytes: number): number;
}

interface SqlConfig {
  /** What the program takes for its own path. The default is the path of the process's script, and lands in memory. */
  readonly thisProgram: string;
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void,
  ): object;
}

type InitSqlJs = (config: SqlConfig) => Promise<SqlModule>;

/** Where one import of the program is: module and field, both minified. */
type ImportName = readonly [module: string, field: string];

/** An instance of SQLite with its insides in reach. */
export interface SqlInstance {
  readonly db: SqlDatabase;
  readonly memory: WebAssembly.Memory;
  /** Grows memory to exactly `byteLength`, at least a fifth more than it is, as the glue does when SQLite asks for more. */
  resize(byteLength: number): void;
  /** What lives outside memory besides the statements: values by name. Equal names and values mean that it can be exchanged. */
  outside(): Record<string, number>;
}

/** The same at both ends, so that their memories begin alike. */
const thisProgram = 'pageferry';

interface SqlJs {
  readonly init: () => InitSqlJs;
  readonly program: WebAssembly.Module;
  /** SHA-256 of the program and its glue. */
  readonly version: string;
  readonly resizeImport: ImportName;
}

let loaded: Promise<SqlJs> | undefined;

/** Finds sql.js, compiles it and learns how it grows; once a process. ERR_UNSUPPORTED if it is not installed. */
export function loadSqlJs(): Promise<SqlJs> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function load(): Promise<SqlJs> {
  const require = createRequire(import.meta.url);
  let gluePath: string;
  let wasm: Uint8Array<ArrayBuffer>;
  try {
    gluePath = require.resolve('sql.js');
    wasm = Uint8Array.from(readFileSync(require.resolve('sql.js/dist/sql-wasm.wasm')));
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
  const program = new WebAssembly.Module(wasm);
  const version = createHash('sha256').update(wasm).update(readFileSync(gluePath)).digest('hex');
  return { init, program, version, resizeImport: await findResizeImport(init(), program) };
}

/** Names in the program are minified: makes an instance ask for memory and sees which of its imports grows it. */
async function findResizeImport(init: InitSqlJs, program: WebAssembly.Module): Promise<ImportName> {
  let found: ImportName | undefined;
  let memory: WebAssembly.Memory | undefined;
  const watch = (name: ImportName, call: Callable): Callable => {
    return (...values) => {
      const before = memory?.buffer;
      const result = call(...values);
      if (memory?.buffer !== before) found = name;
      return result;
    };
  };
  const module = await init({
    thisProgram,
    instantiateWasm(imports, done) {
      for (const [name, fields] of Object.entries(imports)) {
        for (const [field, value] of Object.entries(fields)) {
          if (isCallable(value)) fields[field] = watch([name, field], value);
        }
      }
      const instance = new WebAssembly.Instance(program, imports);
      memory = memoryOf(instance);
      done(instance);
      return {};
    },
  });
  module._malloc(memory?.buffer.byteLength ?? 0);
  if (found === undefined) throw unknownBuild('no import grows its memory');
  return found;
}

type Callable = (...values: readonly unknown[]) => unknown;

function isCallable(value: unknown): value is Callable {
  return typeof value === 'function';
}

function memoryOf(instance: WebAssembly.Instance): WebAssembly.Memory {
  const found = Object.values(instance.exports).find((it) => it instanceof WebAssembly.Memory);
  if (found === undefined) throw unknownBuild('it exports no memory');
  return found;
}

function unknownBuild(what: string): FerryError {
  return new FerryError('ERR_UNSUPPORTED', `this build of sql.js cannot be moved: ${what}`);
}

/** Boots SQLite with memory of `byteLength` (at least 26 MiB), the same way each time. */
export async function bootSqlite(byteLength: number): Promise<SqlInstance> {
  const { init, program, resizeImport } = await loadSqlJs();
  let instance: WebAssembly.Instance | undefined;
  let resizeHeap: unknown;
  const module = await init()({
    thisProgram,
    instantiateWasm(imports, done) {
      resizeHeap = imports[resizeImport[0]]?.[resizeImport[1]];
      instance = new WebAssembly.Instance(program, imports);
      done(instance);
      return {};
    },
  });
  if (instance === undefined || !isCallable(resizeHeap)) throw unknownBuild('it did not start');
  const memory = memoryOf(instance);
  const { exports } = instance;
  const grow = resizeHeap;
  const resize = (bytes: number): void => {
    grow(bytes);
    if (memory.buffer.byteLength !== bytes) {
      const got = memory.buffer.byteLength;
      throw new FerryError('ERR_GUEST', `SQLite's memory grew to ${got} bytes instead of ${bytes}`);
    }
  };
  resize(byteLength);
  const db = withFixedRandom(() => new module.Database());
  return { db, memory, resize, outside: () => outsideOf(exports, module, db) };
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

function outsideOf(
  exports: WebAssembly.Exports,
  module: SqlModule,
  db: SqlDatabase,
): Record<string, number> {
  const values: Record<string, number> = { 'stack pointer': module.stackSave() };
  for (const [name, value] of Object.entries(exports)) {
    if (value instanceof WebAssembly.Table) values[`length of table ${name}`] = value.length;
    if (value instanceof WebAssembly.Global) values[`global ${name}`] = Number(value.value);
  }
  return { ...values, ...handlesOf('database', db) };
}

/** The addresses that an object of the glue keeps, whatever its minified fields are called. */
export function handlesOf(name: string, object: object): Record<string, number> {
  const handles: Record<string, number> = {};
  for (const [field, value] of Object.entries(object)) {
    if (typeof value === 'number') handles[`${name}.${field}`] = value;
  }
  return handles;
}
