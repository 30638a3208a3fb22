/**
 * The parts of `@bjorn3/browser_wasi_shim` (0.4) that are used here. The package is an optional peer, so its types are not ours to show;
 * its classes fit these shapes.
 */
import type { GrowableMemory } from '../growable.js';

/** A file or a directory. */
export interface ShimInode {
  /** What the program sees as its number, u64. */
  ino: bigint;
}

export interface ShimFile extends ShimInode {
  /** Replaced by another array where the size changes. */
  data: Uint8Array;
  readonly: boolean;
}

export interface ShimDirectory extends ShimInode {
  contents: Map<string, ShimInode>;
}

export interface ShimOpenFile {
  file: ShimFile;
  file_pos: bigint;
}

export interface ShimOpenDirectory {
  dir: ShimDirectory;
}

export interface ShimPreopen extends ShimOpenDirectory {
  prestat_name: string;
}

/** A function that the program imports. */
// biome-ignore lint/suspicious/noExplicitAny: as the shim declares them.
export type WasiCall = (...args: any[]) => unknown;

/** The module: `import * as shim from '@bjorn3/browser_wasi_shim'`. */
export interface WasiShim {
  readonly File: new (data: Uint8Array) => ShimFile;
  readonly Directory: new (contents: Map<string, never>) => ShimDirectory;
  readonly OpenFile: new (file: never) => ShimOpenFile;
  readonly OpenDirectory: new (directory: never) => ShimOpenDirectory;
  readonly PreopenDirectory: new (name: string, contents: Map<string, never>) => ShimPreopen;
  readonly ConsoleStdout: abstract new (write: never) => object;
  /** Numbers files and directories, one after the other. */
  readonly Inode: object;
}

/** Its `WASI`. */
export interface WasiHost {
  args: string[];
  env: string[];
  /** By number; `undefined` where one was closed. */
  fds: (object | undefined)[];
  wasiImport: { [name: string]: WasiCall };
  inst: { exports: { memory: GrowableMemory } };
}
