import { FerryError } from '../../errors.js';
import {
  type EmscriptenFs,
  type EmscriptenModule,
  entriesOf,
  exportedBy,
  type FsNode,
  isDirectory,
  type Memfs,
} from './module.js';

/** A module's file system, seen to be as this adapter knows it. */
export interface OpenMemfs {
  readonly fs: EmscriptenFs;
  readonly memfs: Memfs;
  readonly tables: NonNullable<Memfs['ops_table']>;
}

/** Nodes that are visited at most: a tree that is deeper or wider is refused. */
export const maxNodes = 65_536;

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
  return { fs, memfs, tables: memfs.ops_table };
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

export interface VisitedNode {
  readonly node: FsNode;
  readonly path: string;
  /** Where its directory is among the visited; -1 for the root. */
  readonly parent: number;
}

/** All nodes of the tree, a directory before what is in it; not what is mounted on one. ERR_GUEST if there are more than `maxNodes`. */
export function visit(fs: EmscriptenFs): VisitedNode[] {
  const visited: VisitedNode[] = [{ node: fs.root, path: '', parent: -1 }];
  for (let parent = 0; parent < visited.length; parent++) {
    const { node, path } = visited[parent] as VisitedNode;
    if (!isDirectory(node) || isMountpoint(node)) continue;
    for (const [name, child] of entriesOf(node)) {
      visited.push({ node: child, path: `${path}/${name}`, parent });
    }
    if (visited.length > maxNodes) {
      throw new FerryError('ERR_GUEST', `more than ${maxNodes} files and directories`);
    }
  }
  return visited;
}

/** Another file system stands on it. */
export function isMountpoint(node: FsNode): boolean {
  return node.mounted !== null && node.mounted !== undefined;
}
