import { type JsonRecord, MalformedState, readCount, readList, readText } from '../json-state.js';

/** An open descriptor, by what it is of. */
export interface DescriptorState {
  readonly fd: number;
  /** Where its file, directory or device is among the tree's nodes; -1: a pipe that the program made for itself, and is empty. */
  readonly node: number;
  readonly path: string;
  readonly flags: number;
  /** Bytes from the start; descriptors of which one is a copy of the other share it. 0 for a pipe. */
  readonly position: number;
  /** The lowest descriptor that shares its position with it. */
  readonly sharesWith: number;
  /** Names that are still to be told of a directory that is being read. */
  readonly names?: readonly string[];
  /** What was written to a terminal since the last line ended there. */
  readonly line?: readonly number[];
}

const mostDescriptors = 65_536;
const mostNames = 65_536;
const mostName = 4096;
const mostLine = 65_536;
const mostFlags = 2 ** 31 - 1;

/** As JSON: a list each. */
export function writeDescriptors(descriptors: readonly DescriptorState[]): object {
  return descriptors.map(({ fd, node, path, flags, position, sharesWith, names, line }) => [
    fd,
    node,
    path,
    flags,
    position,
    sharesWith,
    names ?? null,
    line ?? null,
  ]);
}

/** Throws MalformedState for anything that cannot be open: `nodes` is how many there are in the tree. */
export function readDescriptors(record: JsonRecord, nodes: number): DescriptorState[] {
  const read = readList('streams', record['streams'], mostDescriptors, (item, index) =>
    readDescriptor(`stream ${index}`, item, nodes),
  );
  const byFd = new Map(read.map((descriptor) => [descriptor.fd, descriptor]));
  if (byFd.size < read.length) throw new MalformedState('a descriptor is open twice');
  for (const { fd, sharesWith, node } of read) {
    const first = byFd.get(sharesWith);
    if (first?.sharesWith !== sharesWith || sharesWith > fd || first.node !== node) {
      throw new MalformedState(`descriptor ${fd} shares its position with ${sharesWith}`);
    }
  }
  return read;
}

function readDescriptor(what: string, item: unknown, nodes: number): DescriptorState {
  const [fd, node, path, flags, position, sharesWith, names, line] = readList(
    what,
    item,
    8,
    (value) => value,
  );
  return {
    fd: readCount(`${what}'s number`, fd, mostDescriptors),
    node: readCount(`${what}'s node`, Number(node) + 1, nodes) - 1,
    path: readText(`${what}'s path`, path, mostName),
    flags: readCount(`${what}'s flags`, flags, mostFlags),
    position: readCount(`${what}'s position`, position),
    sharesWith: readCount(`${what}'s group`, sharesWith, mostDescriptors),
    ...(names === null
      ? {}
      : {
          names: readList(`${what}'s names`, names, mostNames, (name) =>
            readText(what, name, mostName),
          ),
        }),
    ...(line === null
      ? {}
      : { line: readList(`${what}'s line`, line, mostLine, (byte) => readCount(what, byte, 255)) }),
  };
}
