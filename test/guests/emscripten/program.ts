import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  type InstantiatedProgram,
  programSource,
} from '../../../src/guests/emscripten/instance.js';
import type { EmscriptenFs } from '../../../src/guests/emscripten/module.js';

/** What tests call of a program's FS. */
export interface Fs extends EmscriptenFs {
  open(path: string, flags: string | number, mode?: number): Stream;
  close(stream: Stream): void;
  dupStream(stream: Stream): Stream;
  read(stream: Stream, into: Uint8Array, offset: number, length: number, at?: number): number;
  write(
    stream: Stream,
    from: Uint8Array,
    offset: number,
    length: number,
    at?: number,
    canOwn?: boolean,
  ): number;
  llseek(stream: Stream, offset: number, whence: number): number;
  msync(stream: Stream, from: Uint8Array, offset: number, length: number, flags: number): number;
  readFile(path: string): Uint8Array;
  writeFile(path: string, data: Uint8Array | string): void;
  truncate(path: string, length: number): void;
  ftruncate(fd: number, length: number): void;
  mkdir(path: string, mode?: number): void;
  rmdir(path: string): void;
  unlink(path: string): void;
  rename(from: string, to: string): void;
  symlink(target: string, path: string): void;
  readlink(path: string): string;
  readdir(path: string): string[];
  chmod(path: string, mode: number): void;
  chdir(path: string): void;
  utime(path: string, atime: number, mtime: number): void;
  lstat(path: string): { ino: number; mode: number; size: number; mtime: Date };
  lookupPath(path: string): { node: EmscriptenFs['root'] };
  createDevice(parent: string, name: string, input: () => number): void;
  createLazyFile(parent: string, name: string, url: string, r: boolean, w: boolean): void;
  mount(type: object, options: object, path: string): void;
  mkdev(path: string, mode: number, dev: number): void;
}

export type Stream = NonNullable<EmscriptenFs['streams'][number]>;

export interface Database {
  readonly filename: string;
  run(sql: string): void;
  exec(sql: string): { values: unknown[][] }[];
}

export interface Program {
  readonly module: {
    readonly FS: Fs;
    readonly Database: new (data?: Uint8Array) => Database;
    addFunction(call: (...values: number[]) => number, signature: string): number;
  };
  readonly program: InstantiatedProgram;
}

const require = createRequire(import.meta.url);
/** The build whose names are emscripten's own; it exports no FS, which a line before the last adds. */
const gluePath = require.resolve('sql.js/dist/sql-wasm-debug.js');
const glue = readFileSync(gluePath, 'utf8');
const wasm = readFileSync(require.resolve('sql.js/dist/sql-wasm-debug.wasm'));

const exported = glue.replace(
  'FS.staticInit();',
  `FS.staticInit();
  Object.defineProperty(Module, 'FS', { value: FS });
`,
);

/** A program of emscripten's with an instance, files and a table of its own: SQLite. */
export async function startProgram(bytes: Uint8Array = wasm): Promise<Program> {
  const { program, instantiateWasm } = programSource(bytes);
  const scope = { exports: {} as { default?: (config: object) => Promise<Program['module']> } };
  const evaluate = new Function(
    'module',
    'exports',
    'require',
    '__dirname',
    '__filename',
    exported,
  );
  evaluate(scope, scope.exports, require, '.', gluePath);
  const init = scope.exports.default;
  if (init === undefined) throw new Error('sql.js exports nothing');
  const module = await init({ instantiateWasm, thisProgram: 'test', print() {}, printErr() {} });
  return { module, program: await program };
}
