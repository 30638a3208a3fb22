import type {
  ShimDirectory,
  ShimFile,
  ShimInode,
  ShimOpenDirectory,
  ShimOpenFile,
  ShimPreopen,
  WasiHost,
  WasiShim,
} from './shim.js';

/** What stands behind one or more descriptors. */
export type Opened =
  | { readonly kind: 'file'; readonly object: ShimOpenFile }
  | { readonly kind: 'directory'; readonly object: ShimOpenDirectory }
  | { readonly kind: 'preopen'; readonly object: ShimPreopen }
  /** The host's, at both ends: stdout. */
  | { readonly kind: 'host'; readonly name: string };

/** All that a program reaches through its descriptors. */
export interface Survey {
  /** Each once, in the order of their first descriptors. */
  readonly opened: readonly Opened[];
  /** Descriptor and index into `opened`, ascending by descriptor. */
  readonly descriptors: readonly (readonly [descriptor: number, opened: number])[];
  readonly files: readonly ShimFile[];
  readonly directories: readonly ShimDirectory[];
  /** What cannot travel, in words. */
  readonly problems: readonly string[];
}

/** An offer says each region, and has an end. */
export const mostFiles = 3900;
/** The shim gives each descriptor once, and both ends keep a slot for each that was given. */
export const mostDescriptors: number = 2 ** 20;
const mostNameLength = 4096;

const ownKeys = {
  file: new Set(['ino', 'data', 'readonly']),
  directory: new Set(['ino', 'contents', 'parent']),
  openFile: new Set(['file', 'file_pos']),
  openDirectory: new Set(['dir']),
  preopen: new Set(['dir', 'prestat_name']),
};

/** Whether a path can have it as a part. */
export function isEntryName(name: string): boolean {
  const isPart = name !== '' && name !== '.' && name !== '..' && name.length <= mostNameLength;
  return isPart && !name.includes('/') && !name.includes('\0');
}

/** The directory that `..` of this one is; null where there is none. The shim keeps it from TypeScript's eyes. */
export function parentOf(directory: ShimDirectory): unknown {
  return Reflect.get(directory, 'parent') ?? null;
}

/** Looks at everything, the same way each time. */
export function survey(wasi: WasiHost, shim: WasiShim, host: ReadonlyMap<object, string>): Survey {
  const opened: Opened[] = [];
  const descriptors: (readonly [number, number])[] = [];
  const problems: string[] = [];
  const known = new Map<object, number>();
  const roots: [inode: unknown, where: string][] = [];

  const open = (object: object, descriptor: number): Opened | undefined => {
    const where = `descriptor ${descriptor}`;
    const name = host.get(object);
    if (name !== undefined) return { kind: 'host', name };
    if (isA(object, shim.OpenFile, ownKeys.openFile)) {
      roots.push([object.file, where]);
      return { kind: 'file', object };
    }
    if (isA(object, shim.PreopenDirectory, ownKeys.preopen)) {
      roots.push([object.dir, where]);
      return { kind: 'preopen', object };
    }
    if (isA(object, shim.OpenDirectory, ownKeys.openDirectory)) {
      roots.push([object.dir, where]);
      return { kind: 'directory', object };
    }
    problems.push(
      `${where} is a ${className(object)} that only the host knows: name it in "host" if both ends have it`,
    );
    return undefined;
  };

  if (wasi.fds.length > mostDescriptors) {
    problems.push(
      `it opened ${wasi.fds.length} descriptors; at most ${mostDescriptors} can travel`,
    );
  }
  wasi.fds.forEach((object, descriptor) => {
    if (object === undefined || object === null) return;
    let index = known.get(object);
    if (index === undefined) {
      const found = open(object, descriptor);
      if (found === undefined) return;
      index = opened.push(found) - 1;
      known.set(object, index);
    }
    descriptors.push([descriptor, index]);
  });
  return { opened, descriptors, ...inodesFrom(roots, shim, problems), problems };
}

function inodesFrom(
  roots: readonly [inode: unknown, where: string][],
  shim: WasiShim,
  problems: string[],
): Pick<Survey, 'files' | 'directories'> {
  const files: ShimFile[] = [];
  const directories: ShimDirectory[] = [];
  const entered = new Set<ShimInode>();
  const seen = new Set<unknown>();
  const waiting = [...roots];
  const enter = (directory: ShimDirectory, where: string): void => {
    for (const [name, entry] of directory.contents) {
      const path = `${where}/${name}`;
      if (!isEntryName(name)) problems.push(`no path leads to ${JSON.stringify(path)}`);
      if (entry instanceof shim.Directory && entered.has(entry)) {
        problems.push(`${path} is a directory that stands elsewhere too`);
      }
      entered.add(entry);
      waiting.push([entry, path]);
    }
    const parent = parentOf(directory);
    if (parent !== null) waiting.push([parent, `${where}/..`]);
  };
  // It grows while it is gone through.
  for (const [inode, where] of waiting) {
    if (seen.has(inode)) continue;
    seen.add(inode);
    if (isA(inode, shim.File, ownKeys.file)) files.push(inode);
    else if (isA(inode, shim.Directory, ownKeys.directory)) {
      directories.push(inode);
      enter(inode, where);
    } else {
      problems.push(`${where} is a ${className(inode)}, neither a file in memory nor a directory`);
    }
  }
  if (files.length > mostFiles) {
    problems.push(`there are ${files.length} files; at most ${mostFiles} can travel`);
  }
  problems.push(...loopsOf(directories));
  return { files, directories };
}

/** Directories below themselves. */
function loopsOf(directories: readonly ShimDirectory[]): string[] {
  const parents = new Map<ShimInode, ShimDirectory>();
  for (const directory of directories) {
    for (const entry of directory.contents.values()) parents.set(entry, directory);
  }
  const sound = new Set<ShimInode>();
  for (const directory of directories) {
    const way = new Set<ShimInode>();
    let at: ShimInode | undefined = directory;
    while (at !== undefined && !sound.has(at)) {
      if (way.has(at)) return ['a directory lies below itself'];
      way.add(at);
      at = parents.get(at);
    }
    for (const each of way) sound.add(each);
  }
  return [];
}

/** Whether it is exactly of that class, and has nothing that the class would not give it. */
function isA<T extends object>(
  value: unknown,
  of: new (...args: never[]) => T,
  keys: ReadonlySet<string>,
): value is T {
  if (typeof value !== 'object' || value === null || value.constructor !== of) return false;
  return Object.keys(value).every((key) => keys.has(key));
}

function className(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return value.constructor?.name || 'nameless thing';
}
