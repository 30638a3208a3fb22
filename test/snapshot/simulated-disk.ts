/** One write of a file that may not be on the medium yet. */
export interface Write {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export class FileNode {
  /** What the medium has for sure. Never changed in place. */
  durable: Uint8Array = new Uint8Array(0);
  /** Written since, of which any part may be on the medium, in any order. Replaced, never changed in place. */
  unsynced: readonly Write[] = [];
  modifiedMs = 0;
  #content: Uint8Array = this.durable;
  #length = 0;
  /** A sync failed: what programs read is not what is on the medium, and never will be. */
  #isLost = false;

  /** A file as it comes up after a power cut. */
  static of(bytes: Uint8Array, modifiedMs: number): FileNode {
    const node = new FileNode();
    node.durable = bytes;
    node.#content = bytes;
    node.#length = bytes.length;
    node.modifiedMs = modifiedMs;
    return node;
  }

  get length(): number {
    return this.#length;
  }

  read(position: number, into: Uint8Array): number {
    const part = this.#content.subarray(0, this.#length).subarray(position);
    into.set(part.subarray(0, into.length));
    return Math.min(part.length, into.length);
  }

  write(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const write = { position, bytes: bytes.slice() };
    const end = Math.max(this.#length, position + bytes.length);
    if (this.#content === this.durable || end > this.#content.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#length));
      grown.set(this.#content.subarray(0, this.#length));
      this.#content = grown;
    }
    this.#content.set(bytes, position);
    this.#length = end;
    this.unsynced = [...this.unsynced, write];
    this.modifiedMs = Date.now();
  }

  sync(): void {
    if (this.unsynced.length === 0) return;
    this.durable = withWrites(this.durable, this.unsynced);
    if (!this.#isLost) this.#content = this.durable;
    this.unsynced = [];
  }

  /** As on Linux: pages that could not be written count as clean, are still read as they were meant, and the next sync says that all is well. */
  failSync(): void {
    const [first] = this.unsynced;
    this.unsynced = [];
    this.#isLost = true;
    // Some of it got there: the first half of the first write.
    if (first === undefined) return;
    const half = { ...first, bytes: first.bytes.subarray(0, first.bytes.length >> 1) };
    this.durable = withWrites(this.durable, [half]);
  }
}

/** A change to the names in a folder that may not be on the medium yet: all of its names change, or none. */
export interface EntryChange {
  readonly folder: FolderNode;
  readonly names: ReadonlyMap<string, Node | undefined>;
}

export class FolderNode {
  readonly entries: Map<string, Node> = new Map();
  /** What the medium has for sure. Replaced, never changed in place. */
  durable: ReadonlyMap<string, Node> = new Map();
}

export type Node = FileNode | FolderNode;

/** The state of a file that a power cut finds. */
export interface FileImage {
  readonly durable: Uint8Array;
  readonly unsynced: readonly Write[];
  readonly modifiedMs: number;
}

/** Everything a power cut finds, taken at one moment: what is on the medium, and what may be. */
export interface DiskImage {
  readonly root: FolderNode;
  readonly files: ReadonlyMap<FileNode, FileImage>;
  readonly folders: ReadonlyMap<FolderNode, ReadonlyMap<string, Node>>;
  readonly changes: readonly EntryChange[];
}

/**
 * A disk with what programs see and what is on the medium apart: contents get there by a sync of the file, names by a sync of their folder, and otherwise
 * perhaps. Stricter than any file system, where a sync of one thing often takes others along.
 */
export class SimulatedDisk {
  readonly root: FolderNode;
  #changes: readonly EntryChange[] = [];

  constructor(root: FolderNode = new FolderNode()) {
    this.root = root;
  }

  /** The node at an absolute path; undefined if there is none. ENOTDIR if its folder is none. */
  find(path: string): Node | undefined {
    if (path === '/') return this.root;
    const { folder, name } = this.locate(path, 'open');
    return folder.entries.get(name);
  }

  /** The folder where `path` is or would be, and its name there. */
  locate(path: string, operation: string): { folder: FolderNode; name: string } {
    const parts = path.split('/').slice(1);
    const name = parts.pop() as string;
    let folder = this.root;
    for (const part of parts) {
      const next = folder.entries.get(part);
      if (next === undefined) throw systemError('ENOENT', operation, path);
      if (next instanceof FileNode) throw systemError('ENOTDIR', operation, path);
      folder = next;
    }
    return { folder, name };
  }

  change(folder: FolderNode, ...names: readonly (readonly [string, Node | undefined])[]): void {
    const change = { folder, names: new Map(names) };
    apply(folder.entries, change);
    this.#changes = [...this.#changes, change];
  }

  syncFolder(folder: FolderNode): void {
    folder.durable = new Map(folder.entries);
    this.#changes = this.#changes.filter((change) => change.folder !== folder);
  }

  /** What the system does after a while by itself. */
  writeBack(folder: FolderNode): void {
    for (const node of folder.entries.values()) {
      if (node instanceof FileNode) node.sync();
    }
    this.syncFolder(folder);
  }

  image(): DiskImage {
    const files = new Map<FileNode, FileImage>();
    const folders = new Map<FolderNode, ReadonlyMap<string, Node>>();
    const visit = (node: Node): void => {
      if (node instanceof FileNode) {
        const { durable, unsynced, modifiedMs } = node;
        files.set(node, { durable, unsynced, modifiedMs });
      } else if (!folders.has(node)) {
        folders.set(node, node.durable);
        for (const inside of node.durable.values()) visit(inside);
        for (const inside of node.entries.values()) visit(inside);
      }
    };
    visit(this.root);
    // What was renamed or removed since may come back under the names between.
    for (const { folder, names } of this.#changes) {
      visit(folder);
      for (const node of names.values()) if (node !== undefined) visit(node);
    }
    return { root: this.root, files, folders, changes: this.#changes };
  }
}

export function apply(entries: Map<string, Node>, { names }: EntryChange): void {
  for (const [name, node] of names) {
    if (node === undefined) entries.delete(name);
    else entries.set(name, node);
  }
}

export function withWrites(base: Uint8Array, writes: readonly Write[]): Uint8Array {
  let length = base.length;
  for (const { position, bytes } of writes) length = Math.max(length, position + bytes.length);
  const content = new Uint8Array(length);
  content.set(base);
  for (const { position, bytes } of writes) content.set(bytes, position);
  return content;
}

/** What node:fs throws, as far as its callers look at it. */
export function systemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${operation} '${path}'`), {
    code,
    syscall: operation,
    path,
  });
}
