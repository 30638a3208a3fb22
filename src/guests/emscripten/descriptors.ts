import { MalformedState } from '../json-state.js';
import type { DescriptorState } from './descriptors-state.js';
import {
  type EmscriptenFs,
  type FsNode,
  type FsStream,
  isDevice,
  isFile,
  pipeMode,
  typeBits,
} from './module.js';

/** What is open, but for what `unmovable` names. */
export function saveDescriptors(
  fs: EmscriptenFs,
  indexOf: (node: FsNode) => number | undefined,
): DescriptorState[] {
  const firstOf = new Map<object, number>();
  const saved: DescriptorState[] = [];
  for (const [fd, stream] of fs.streams.entries()) {
    if (!stream) continue;
    const shared = stream.shared ?? stream;
    const sharesWith = firstOf.get(shared) ?? fd;
    firstOf.set(shared, sharesWith);
    const line = stream.tty?.output;
    saved.push({
      fd,
      node: indexOf(stream.node) ?? -1,
      path: stream.path,
      flags: stream.flags,
      position: stream.position ?? 0,
      sharesWith,
      ...(stream.getdents ? { names: stream.getdents } : {}),
      ...(line === undefined || line.length === 0 ? {} : { line }),
    });
  }
  return saved;
}

/** Why a descriptor cannot travel; undefined if it can. */
export function whyUnmovable(
  stream: FsStream,
  isInTree: (node: FsNode) => boolean,
): string | undefined {
  const { node } = stream;
  if (node?.sock !== undefined) return 'is a socket';
  if (isPipe(node)) return isEmptyPipe(node) ? undefined : 'is a pipe with something in it';
  if (node === undefined || !isInTree(node)) return 'is of a file system outside the program';
  return undefined;
}

function isPipe(node: FsNode | undefined): boolean {
  return node?.pipe !== undefined || ((node?.mode ?? 0) & typeBits) === pipeMode;
}

function isEmptyPipe({ pipe }: FsNode): boolean {
  return pipe?.buckets.every(({ offset, roffset }) => offset === roffset) ?? false;
}

/** Sees that each descriptor can be made here; MalformedState names the first that cannot. `types` are the modes of the tree's nodes. */
export function planDescriptors(
  fs: EmscriptenFs,
  descriptors: readonly DescriptorState[],
  types: readonly { readonly type: string }[],
): void {
  for (const { fd, node, path, names } of descriptors) {
    const here = fs.streams[fd];
    if (node < 0 && !(here && isPipe(here.node) && isEmptyPipe(here.node) && here.path === path)) {
      throw new MalformedState(`descriptor ${fd} is ${path} there, and not here`);
    }
    const type = types[node]?.type;
    if (type === 'link') throw new MalformedState(`descriptor ${fd} is of a link`);
    if (names !== undefined && type !== 'directory') {
      throw new MalformedState(`descriptor ${fd} is read as a directory`);
    }
  }
}

/** Opens what is open at the other side and closes everything else. */
export function applyDescriptors(
  fs: EmscriptenFs,
  descriptors: readonly DescriptorState[],
  nodes: readonly FsNode[],
): void {
  const open = new Set(descriptors.map(({ fd }) => fd));
  for (const [fd, stream] of fs.streams.entries()) {
    if (!stream || open.has(fd)) continue;
    stream.fd = null;
    fs.streams[fd] = null;
  }
  for (const descriptor of descriptors) {
    const node = nodes[descriptor.node];
    if (node === undefined) continue;
    const stream = streamFor(fs, descriptor, node);
    stream.flags = descriptor.flags;
    stream.position = descriptor.position;
    if (descriptor.names !== undefined) stream.getdents = [...descriptor.names];
    else if (stream.getdents) stream.getdents = null;
    if (stream.tty?.output !== undefined) stream.tty.output = [...(descriptor.line ?? [])];
  }
}

function streamFor(fs: EmscriptenFs, descriptor: DescriptorState, node: FsNode): FsStream {
  const { fd, path, flags, position, sharesWith } = descriptor;
  const here = fs.streams[fd];
  const isOwn = sharesWith === fd;
  const shared = fs.streams[sharesWith]?.shared;
  // A device's stream may have a state that is its own: a terminal.
  if (here && here.node === node && here.path === path && isDevice(node) && isOwn) {
    if (here.shared !== undefined) here.shared = {};
    return here;
  }
  if (here) here.fd = null;
  const stream = fs.createStream(
    {
      ...(isOwn || shared === undefined ? {} : { shared }),
      node,
      path,
      flags,
      seekable: true,
      position,
      stream_ops: node.stream_ops,
      ungotten: [],
      error: false,
    },
    fd,
  );
  if (!isFile(node)) stream.stream_ops.open?.(stream);
  return stream;
}
