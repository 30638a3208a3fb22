import { type FsNode, type FsStream, isFile, type Memfs } from './module.js';

/** Bytes of a file that an operation changed. */
export interface FileWrite {
  readonly file: FsNode;
  /** Bytes from its start; `end` is behind the last. */
  readonly first: number;
  readonly end: number;
  /** What its contents were before: often another array. */
  readonly before: unknown;
}

/** Is told of what operations of the program's file system changed. */
export interface FileWatcher {
  wrote(write: FileWrite): void;
  /** Something appeared, vanished or has another name. */
  renamed(): void;
}

type Tables = NonNullable<Memfs['ops_table']>;
type Call = (this: unknown, ...values: unknown[]) => unknown;

/**
 * Tells `watcher` of every operation that changes files, after it: all nodes and streams of one MEMFS, also those that are open, call through its tables; other instances
 * have other tables. The operations themselves run unchanged, and throw as they did.
 */
export function watchFiles(tables: Tables, watcher: FileWatcher): void {
  const { stream, node } = tables.file;
  const watch = (table: object, name: string, range: RangeOf): void => {
    after(table, name, (values) => {
      const [first] = values;
      const file = 'node' in Object(first) ? (first as FsStream).node : (first as FsNode);
      return noteWrite(watcher, file, range(values));
    });
  };
  watch(stream, 'write', ([, , , length, position]) => ({ position, length }));
  watch(stream, 'msync', ([, , position, length]) => ({ position, length }));
  // Of builds before 3.1.52: room that a file is promised.
  watch(stream, 'allocate', ([, position, length]) => ({ position, length }));
  watch(node, 'setattr', () => ({ position: 0, length: 0 }));
  for (const name of ['mknod', 'rename', 'unlink', 'rmdir', 'symlink']) {
    after(tables.dir.node, name, () => () => watcher.renamed());
  }
}

type RangeOf = (values: readonly unknown[]) => {
  readonly position: unknown;
  readonly length: unknown;
};

/** Calls `before` in front of the operation, and what that returns behind it. */
function after(table: object, name: string, before: (values: unknown[]) => () => void): void {
  const operation = Reflect.get(table, name) as Call | undefined;
  if (typeof operation !== 'function') return;
  const watched: Call = function (...values) {
    const then = before(values);
    try {
      return operation.apply(this, values);
    } finally {
      then();
    }
  };
  Reflect.set(table, name, watched);
}

/** Afterwards: what was written, and what the file's length gained or lost. */
function noteWrite(
  watcher: FileWatcher,
  file: FsNode,
  range: { readonly position: unknown; readonly length: unknown },
): () => void {
  if (!isFile(file)) return () => {};
  const { contents: before, usedBytes: used = 0 } = file;
  const first = Number(range.position);
  const end = first + Number(range.length);
  return () => {
    const now = file.usedBytes ?? 0;
    watcher.wrote({ file, first, end, before });
    if (now !== used) {
      // The operation's own array is no longer news.
      const { contents } = file;
      watcher.wrote({
        file,
        first: Math.min(now, used),
        end: Math.max(now, used),
        before: contents,
      });
    }
  };
}
