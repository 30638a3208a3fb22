import { FerryError } from '../../errors.js';
import type { FileTable, Numbered } from './file-table.js';
import type {
  ShimDirectory,
  ShimInode,
  ShimOpenFile,
  ShimPreopen,
  WasiHost,
  WasiShim,
} from './shim.js';
import type { DirectoryState, OpenedState, WasiState } from './state.js';
import { type Opened, parentOf, type Survey } from './survey.js';

export interface ImageDeps {
  readonly wasi: WasiHost;
  readonly shim: WasiShim;
  readonly table: FileTable;
  /** What stays with the host, by name. */
  readonly host: ReadonlyMap<string, object>;
  /** What the host opened to begin with, by name: it keeps its objects. */
  readonly preopens: Map<string, ShimPreopen>;
}

/** What was found, as a state. Everything has its number. */
export function imageOf(deps: ImageDeps, found: Survey, clock: bigint): WasiState {
  const { wasi, shim, table } = deps;
  const numberOf = (inode: ShimInode): number => {
    const number = table.numberOf(inode as ShimDirectory) ?? table.regionOf(inode as never)?.id;
    if (number === undefined) throw new RangeError('a file or directory without a number');
    return number;
  };
  return {
    args: [...wasi.args],
    env: [...wasi.env],
    clock,
    nextNumber: table.next,
    nextIno: nextIno(shim),
    files: found.files.map((file) => ({
      number: numberOf(file),
      size: file.data.byteLength,
      ino: file.ino,
      readonly: file.readonly,
    })),
    directories: found.directories.map((directory): DirectoryState => {
      const parent = parentOf(directory);
      return {
        number: numberOf(directory),
        ino: directory.ino,
        parent: parent === null ? null : numberOf(parent as ShimDirectory),
        entries: [...directory.contents].map(([name, entry]) => [name, numberOf(entry)]),
      };
    }),
    opened: found.opened.map((it) => openedState(it, numberOf)),
    descriptors: found.descriptors,
    descriptorsEnd: wasi.fds.length,
  };
}

function openedState(opened: Opened, numberOf: (inode: ShimInode) => number): OpenedState {
  switch (opened.kind) {
    case 'file': {
      const { file, file_pos } = opened.object;
      return { kind: 'file', number: numberOf(file), position: file_pos };
    }
    case 'directory':
      return { kind: 'directory', number: numberOf(opened.object.dir) };
    case 'preopen': {
      const { dir, prestat_name } = opened.object;
      return { kind: 'preopen', number: numberOf(dir), name: prestat_name };
    }
    case 'host':
      return opened;
    default:
      return opened satisfies never;
  }
}

/** Puts `state` in the place of what is here. ERR_GUEST if it does not fit the regions or the host here: then nothing has changed. */
export function putImage(deps: ImageDeps, here: Numbered, state: WasiState): void {
  const { wasi, shim, table } = deps;
  const regions = table.arriving ?? here.files;
  const files = state.files.map((file) => {
    const region = regions.get(file.number);
    if (region === undefined || file.size > region.byteLength) {
      throw new FerryError('ERR_GUEST', `file ${file.number} is not here, or not all of it`);
    }
    return { ...file, inode: region.file, data: region.dataOf(file.size) };
  });
  const host = new Map<string, object>();
  for (const opened of state.opened) {
    if (opened.kind !== 'host') continue;
    const object = deps.host.get(opened.name);
    if (object === undefined) {
      throw new FerryError('ERR_GUEST', `the host has no descriptor "${opened.name}" here`);
    }
    host.set(opened.name, object);
  }

  const ownIno = nextIno(shim);

  // From here on nothing fails.
  const directories = new Map<number, ShimDirectory>();
  for (const { number } of state.directories) {
    directories.set(
      number,
      here.directories.get(number) ?? new shim.Directory(new Map<string, never>()),
    );
  }
  const inodes = new Map<number, ShimInode>(directories);
  for (const { number, inode, data, ino, readonly } of files) {
    inode.data = data;
    inode.ino = ino;
    inode.readonly = readonly;
    inodes.set(number, inode);
  }
  const inodeOf = (number: number): never => inodes.get(number) as never;
  for (const { number, ino, parent, entries } of state.directories) {
    const directory: ShimDirectory = inodeOf(number);
    directory.ino = ino;
    directory.contents.clear();
    for (const [name, entry] of entries) directory.contents.set(name, inodeOf(entry));
    Reflect.set(directory, 'parent', parent === null ? null : inodeOf(parent));
  }
  const opened = state.opened.map((it): object => {
    switch (it.kind) {
      case 'file': {
        const open: ShimOpenFile = new shim.OpenFile(inodeOf(it.number));
        open.file_pos = it.position;
        return open;
      }
      case 'directory':
        return new shim.OpenDirectory(inodeOf(it.number));
      case 'preopen': {
        const open =
          deps.preopens.get(it.name) ??
          new shim.PreopenDirectory(it.name, new Map<string, never>());
        deps.preopens.set(it.name, open);
        open.dir = inodeOf(it.number);
        return open;
      }
      case 'host':
        return host.get(it.name) as object;
      default:
        return it satisfies never;
    }
  });
  wasi.args = [...state.args];
  wasi.env = [...state.env];
  wasi.fds.length = 0;
  wasi.fds.length = state.descriptorsEnd;
  for (const [descriptor, index] of state.descriptors) wasi.fds[descriptor] = opened[index];
  table.take(directories, state.nextNumber);
  if (state.nextIno > ownIno) Reflect.set(shim.Inode, 'next_ino', state.nextIno);
}

/** What the shim's next file or directory gets for its `ino`. The counter is hidden from TypeScript's eyes. */
function nextIno(shim: WasiShim): bigint {
  const next: unknown = Reflect.get(shim.Inode, 'next_ino');
  if (typeof next === 'bigint') return next;
  throw new FerryError('ERR_UNSUPPORTED', 'this version of the shim numbers files in another way');
}
