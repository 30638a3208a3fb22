/**
 * The parts of an emscripten program's glue that are used here, as its JavaScript shows them since 2020: structural, so that any build fits. They are
 * internals of emscripten (src/lib/libfs.js, libmemfs.js), checked by `openMemfs` before anything is taken for granted.
 */

/** Bits of a mode that say what a node is, as in POSIX. */
export const typeBits = 0o170000;
export const directoryMode = 0o040000;
export const deviceMode = 0o020000;
export const fileMode = 0o100000;
export const linkMode = 0o120000;
export const pipeMode = 0o010000;

/** A file, directory, link or device. */
export interface FsNode {
  name: string;
  parent: FsNode;
  mount: FsMount;
  /** The file system whose root stands here. */
  mounted: FsMount | null;
  id: number;
  mode: number;
  rdev: number;
  /** Milliseconds; a build before 3.1.70 has only `timestamp`. */
  atime?: number | Date;
  mtime?: number | Date;
  ctime?: number | Date;
  timestamp?: number | Date;
  /** Of a file its bytes, with room behind them; of a directory its nodes by name. */
  contents?: unknown;
  usedBytes?: number;
  link?: string;
  url?: unknown;
  pipe?: FsPipe;
  sock?: unknown;
  stream_ops: StreamOps;
  node_ops: NodeOps;
}

export interface FsMount {
  readonly type: Memfs;
  readonly mountpoint: string;
  readonly root: FsNode;
}

export interface FsPipe {
  readonly buckets: readonly { readonly offset: number; readonly roffset: number }[];
}

/** An open descriptor. Descriptors made by dup have one `shared`. */
export interface FsStream {
  fd: number | null;
  node: FsNode;
  path: string;
  flags: number;
  position: number;
  seekable: boolean;
  stream_ops: StreamOps;
  shared?: object;
  /** Names that are still to be told of a directory that is being read. */
  getdents?: string[] | null;
  tty?: { output?: number[] };
}

type Operation = (...values: never[]) => unknown;

export interface StreamOps {
  write?: Operation;
  msync?: Operation;
  allocate?: Operation;
  open?: (stream: FsStream) => void;
}

export interface NodeOps {
  setattr?: Operation;
  mknod?: Operation;
  rename?: Operation;
  unlink?: Operation;
  rmdir?: Operation;
  symlink?: Operation;
}

/** The file system in JavaScript's memory. Its tables are shared by all of its nodes. */
export interface Memfs {
  readonly ops_table?: {
    readonly dir: { readonly node: NodeOps };
    readonly file: { readonly node: NodeOps; readonly stream: StreamOps };
  } | null;
  createNode(parent: FsNode, name: string, mode: number, dev: number): FsNode;
}

export interface EmscriptenFs {
  readonly root: FsNode;
  readonly streams: (FsStream | null | undefined)[];
  nextInode: number;
  currentPath: string;
  createStream(stream: object, fd: number): FsStream;
  hashAddNode(node: FsNode): void;
  hashRemoveNode(node: FsNode): void;
}

/** What `emscriptenGlue` needs of a Module: build with `-sEXPORTED_RUNTIME_METHODS=FS` and `-sFORCE_FILESYSTEM`. */
export interface EmscriptenModule {
  /** An `EmscriptenFs`; what it is is looked at, for it is emscripten's own. */
  readonly FS?: unknown;
}

/** What a module exports under a name. A debug build has getters for what it does not export, which end the program. */
export function exportedBy(module: EmscriptenModule, name: string): unknown {
  return Object.getOwnPropertyDescriptor(module, name)?.value;
}

export function isDirectory(node: FsNode): boolean {
  return (node.mode & typeBits) === directoryMode;
}

export function isFile(node: FsNode): boolean {
  return (node.mode & typeBits) === fileMode;
}

export function isLink(node: FsNode): boolean {
  return (node.mode & typeBits) === linkMode;
}

export function isDevice(node: FsNode): boolean {
  return (node.mode & typeBits) === deviceMode;
}

/** The nodes in a directory by name, in the order in which it is read. */
export function entriesOf(directory: FsNode): [string, FsNode][] {
  return Object.entries((directory.contents ?? {}) as Record<string, FsNode>);
}

const noBytes = new Uint8Array(0);

/** How many bytes of a file are used. */
export function usedBytesOf(file: FsNode): number {
  const { contents } = file;
  if (!ArrayBuffer.isView(contents)) return bytesOf(file).byteLength;
  return Math.min(contents.byteLength, file.usedBytes ?? 0);
}

/**
 * The bytes of a file as far as they are used: signed ones where a program wrote all of it at once. A build before 3.1.6 may keep them in a plain list, and then makes
 * typed bytes of it here.
 */
export function bytesOf(file: FsNode): Uint8Array {
  const { contents } = file;
  if (ArrayBuffer.isView(contents)) {
    const { buffer, byteOffset, byteLength } = contents;
    return new Uint8Array(buffer, byteOffset, Math.min(byteLength, file.usedBytes ?? 0));
  }
  if (!Array.isArray(contents)) return noBytes;
  file.usedBytes ??= contents.length;
  file.contents = Uint8Array.from(contents);
  return bytesOf(file);
}

/** Whether `bytesOf` sees all there is. */
export function hasBytes({ contents }: FsNode): boolean {
  return ArrayBuffer.isView(contents) || Array.isArray(contents);
}
