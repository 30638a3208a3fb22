import type { Fs } from './program.js';

/** All that a program can see of its files: each path with what it is, and every open descriptor. */
export function describeTree(fs: Fs): unknown {
  // Of directories too that the program may not look into.
  Reflect.set(fs, 'ignorePermissions', true);
  try {
    return {
      tree: describe(fs, ''),
      streams: describeStreams(fs),
      cwd: fs.currentPath,
      inodes: fs.nextInode,
    };
  } finally {
    Reflect.set(fs, 'ignorePermissions', false);
  }
}

function describe(fs: Fs, path: string): unknown[] {
  return fs
    .readdir(path === '' ? '/' : path)
    .filter((name) => name !== '.' && name !== '..')
    .map((name) => {
      const at = `${path}/${name}`;
      // Names of descriptors, which are described below.
      if (isMounted(fs, path, name)) return at;
      const stat = fs.lstat(at);
      const { ino, mode, size, mtime } = stat;
      const about = [at, ino, mode.toString(8), mtime.getTime()];
      switch (mode & 0o170000) {
        case 0o040000:
          return [...about, describe(fs, at)];
        case 0o120000:
          return [...about, fs.readlink(at)];
        case 0o100000:
          return [...about, size, Buffer.from(contents(fs, at)).toString('base64')];
        default:
          return about;
      }
    });
}

/** Without opening it, which would use a descriptor. */
function contents(fs: Fs, path: string): Uint8Array {
  const { node } = fs.lookupPath(path);
  return (node.contents as Uint8Array).slice(0, node.usedBytes);
}

function describeStreams(fs: Fs): unknown[] {
  const shared = new Map<unknown, number>();
  return [...fs.streams.entries()].flatMap(([fd, stream]) => {
    if (!stream) return [];
    const group = shared.get(stream.shared) ?? fd;
    shared.set(stream.shared, group);
    return [[fd, stream.path, stream.node.id, stream.flags, stream.position, group]];
  });
}

function isMounted(fs: Fs, directory: string, name: string): boolean {
  const { contents } = fs.lookupPath(directory === '' ? '/' : directory).node;
  const { mounted } = Reflect.get(Object(contents), name) as Fs['root'];
  return mounted !== null && mounted !== undefined;
}
