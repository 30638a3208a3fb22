import { FerryError } from '../../errors.js';
import { type EmscriptenFs, type EmscriptenModule, exportedBy, type Memfs } from './module.js';
import { TreeWalk } from './tree-walk.js';

/** A module's file system, seen to be as this adapter knows it. */
export interface OpenMemfs {
  readonly fs: EmscriptenFs;
  readonly memfs: Memfs;
  readonly tables: NonNullable<Memfs['ops_table']>;
  readonly walk: TreeWalk;
}

/** ERR_UNSUPPORTED where the module shows no file system, or another than this knows. */
export function openMemfs(module: EmscriptenModule): OpenMemfs {
  const exported = exportedBy(module, 'FS');
  if (typeof exported !== 'object' || exported === null) throw unknown('it does not export FS');
  const fs = exported as EmscriptenFs;
  const memfs: unknown = fs.root?.mount?.type;
  if (!hasTables(memfs)) throw unknown('its root is not in MEMFS');
  for (const name of ['createStream', 'hashAddNode', 'hashRemoveNode'] as const) {
    if (typeof fs[name] !== 'function') throw unknown(`FS.${name} is missing`);
  }
  if (!Array.isArray(fs.streams)) throw unknown('FS.streams is missing');
  return { fs, memfs, tables: memfs.ops_table, walk: new TreeWalk(fs) };
}

function hasTables(
  memfs: unknown,
): memfs is Memfs & { readonly ops_table: NonNullable<Memfs['ops_table']> } {
  const tables = (memfs as Partial<Memfs> | undefined)?.ops_table;
  return (
    typeof tables?.dir?.node?.mknod === 'function' &&
    typeof tables?.file?.stream?.write === 'function' &&
    typeof tables?.file?.node?.setattr === 'function'
  );
}

function unknown(why: string): FerryError {
  return new FerryError(
    'ERR_UNSUPPORTED',
    `the files of this emscripten program cannot be reached: ${why}; ` +
      'it has to be built with -sEXPORTED_RUNTIME_METHODS=FS and -sFORCE_FILESYSTEM, without --closure',
  );
}
