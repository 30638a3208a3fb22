import type { StoreFile, StoreFiles } from '../../src/snapshot/store-files.js';
import { FileNode, FolderNode, type SimulatedDisk, systemError } from './simulated-disk.js';

export type Operation = keyof StoreFiles | keyof StoreFile;

/** A call of a program to the file system. */
export interface Step {
  readonly operation: Operation;
  readonly path: string;
}

/** What changes the disk, or what a power cut leaves of it. All other operations only look. */
export const changing: ReadonlySet<Operation> = new Set([
  'create',
  'link',
  'rename',
  'unlink',
  'makeFolder',
  'syncFolder',
  'writeAt',
  'sync',
]);

/** 'ignored': a sync says that all is well and does nothing. */
export type Fault = 'ENOSPC' | 'EIO' | 'EROFS' | 'ignored';

/** What stands between a program and its disk. */
export interface Hooks {
  /** Before each step: waits (the process is suspended), or says what is to go wrong. */
  before?(step: Step): Promise<Fault | undefined> | Fault | undefined;
  /** After each step that came to its end. */
  after?(step: Step): void;
}

/** Turns of the event queue that a write takes: a sync that does not wait for it comes before it. */
const writeTurns = 12;

/** The file system as one process sees it that has `disk` mounted. Steps of several processes, and those not awaited, interleave. */
export class SimulatedFiles implements StoreFiles {
  readonly #disk: SimulatedDisk;
  readonly #hooks: Hooks;
  /** Files created or opened and not closed. */
  openFiles = 0;

  constructor(disk: SimulatedDisk, hooks: Hooks = {}) {
    this.#disk = disk;
    this.#hooks = hooks;
  }

  create(path: string): Promise<StoreFile> {
    return this.step('create', path, () => {
      const { folder, name } = this.#disk.locate(path, 'open');
      if (folder.entries.has(name)) throw systemError('EEXIST', 'open', path);
      const node = new FileNode();
      node.modifiedMs = Date.now();
      this.#disk.change(folder, [name, node]);
      return this.#handle(node, path, true);
    });
  }

  open(path: string): Promise<StoreFile> {
    return this.step('open', path, () => {
      const node = this.#disk.find(path);
      if (node === undefined) throw systemError('ENOENT', 'open', path);
      if (node instanceof FolderNode) throw systemError('EINVAL', 'open', path);
      return this.#handle(node, path, false);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.step('link', to, () => {
      const node = this.#disk.find(from);
      if (node === undefined) throw systemError('ENOENT', 'link', from);
      const { folder, name } = this.#disk.locate(to, 'link');
      if (folder.entries.has(name)) throw systemError('EEXIST', 'link', to);
      if (node instanceof FolderNode) throw systemError('EPERM', 'link', from);
      this.#disk.change(folder, [name, node]);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.step('rename', to, () => {
      const source = this.#disk.locate(from, 'rename');
      const target = this.#disk.locate(to, 'rename');
      const node = source.folder.entries.get(source.name);
      if (node === undefined) throw systemError('ENOENT', 'rename', from);
      const there = target.folder.entries.get(target.name);
      if (node instanceof FolderNode || source.folder !== target.folder) {
        throw new Error('renames of folders and to other folders are not simulated');
      }
      if (there instanceof FolderNode) throw systemError('EISDIR', 'rename', to);
      // Two names of one file: POSIX has it that nothing happens.
      if (there === node) return;
      this.#disk.change(source.folder, [source.name, undefined], [target.name, node]);
    });
  }

  unlink(path: string): Promise<void> {
    return this.step('unlink', path, () => {
      const { folder, name } = this.#disk.locate(path, 'unlink');
      const node = folder.entries.get(name);
      if (node === undefined) throw systemError('ENOENT', 'unlink', path);
      if (node instanceof FolderNode) throw systemError('EISDIR', 'unlink', path);
      this.#disk.change(folder, [name, undefined]);
    });
  }

  list(path: string): Promise<string[]> {
    return this.step('list', path, () => [...this.#folder(path, 'scandir').entries.keys()]);
  }

  makeFolder(path: string): Promise<void> {
    return this.step('makeFolder', path, () => {
      const { folder, name } = this.#disk.locate(path, 'mkdir');
      if (folder.entries.has(name)) throw systemError('EEXIST', 'mkdir', path);
      this.#disk.change(folder, [name, new FolderNode()]);
    });
  }

  syncFolder(path: string): Promise<void> {
    const act = () => this.#disk.syncFolder(this.#folder(path, 'open'));
    return this.step('syncFolder', path, act, () => {});
  }

  modifiedMs(path: string): Promise<number> {
    return this.step('modifiedMs', path, () => {
      const node = this.#disk.find(path);
      if (node === undefined) throw systemError('ENOENT', 'lstat', path);
      return node instanceof FileNode ? node.modifiedMs : 0;
    });
  }

  /** Does `act` as one step. `fail`: what is done of it if it fails for a reason of the disk. */
  async step<T>(
    operation: Operation,
    path: string,
    act: () => T,
    fail: () => void = () => {},
  ): Promise<T> {
    const step = { operation, path };
    const fault = await this.#hooks.before?.(step);
    const turns = operation === 'writeAt' ? writeTurns : 1;
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    if (fault === 'ignored') return undefined as T;
    if (fault !== undefined) {
      fail();
      this.#hooks.after?.(step);
      throw systemError(fault, operation, path);
    }
    const result = act();
    this.#hooks.after?.(step);
    return result;
  }

  #folder(path: string, operation: string): FolderNode {
    const node = this.#disk.find(path);
    if (node === undefined) throw systemError('ENOENT', operation, path);
    if (node instanceof FileNode) throw systemError('ENOTDIR', operation, path);
    return node;
  }

  #handle(node: FileNode, path: string, writable: boolean): StoreFile {
    this.openFiles++;
    return new SimulatedFile(this, node, path, writable);
  }
}

class SimulatedFile implements StoreFile {
  readonly #files: SimulatedFiles;
  readonly #node: FileNode;
  readonly #path: string;
  readonly #writable: boolean;
  #isOpen = true;

  constructor(files: SimulatedFiles, node: FileNode, path: string, writable: boolean) {
    this.#files = files;
    this.#node = node;
    this.#path = path;
    this.#writable = writable;
  }

  readAt(position: number, into: Uint8Array): Promise<number> {
    // For nothing the system is not asked.
    if (into.length === 0) return Promise.resolve(0);
    return this.#step('readAt', () => this.#node.read(position, into));
  }

  writeAt(position: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return Promise.resolve();
    if (!this.#writable) return Promise.reject(systemError('EBADF', 'write', this.#path));
    const act = () => this.#node.write(position, bytes);
    // A full disk takes what it can.
    return this.#step('writeAt', act, () => {
      this.#node.write(position, bytes.subarray(0, bytes.length >> 1));
    });
  }

  size(): Promise<number> {
    return this.#step('size', () => this.#node.length);
  }

  sync(): Promise<void> {
    return this.#step(
      'sync',
      () => this.#node.sync(),
      () => this.#node.failSync(),
    );
  }

  async close(): Promise<void> {
    const act = () => {
      if (this.#isOpen) this.#files.openFiles--;
      this.#isOpen = false;
    };
    await this.#files.step('close', this.#path, act, act);
  }

  #step<T>(operation: Operation, act: () => T, fail?: () => void): Promise<T> {
    const checked = () => {
      if (!this.#isOpen) throw systemError('EBADF', operation, this.#path);
      return act();
    };
    return this.#files.step(operation, this.#path, checked, fail);
  }
}
