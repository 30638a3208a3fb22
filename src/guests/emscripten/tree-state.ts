import {
  type JsonRecord,
  MalformedState,
  readCount,
  readList,
  readNumber,
  readText,
} from '../json-state.js';
import { deviceMode, directoryMode, fileMode, linkMode, typeBits } from './module.js';
import { maxNodes } from './tree-walk.js';

/** In milliseconds. */
export type NodeTimes = readonly [atime: number, mtime: number, ctime: number];

/** What every node has. */
interface NodeBase {
  /** Where its directory is among the nodes, before it; -1 for the root, and for open files without a name. */
  readonly parent: number;
  readonly name: string;
  readonly mode: number;
  /** Its inode number, which programs keep. */
  readonly id: number;
  readonly times: NodeTimes;
}

export interface DirectoryState extends NodeBase {
  readonly type: 'directory';
  readonly isMountpoint: boolean;
}

export interface FileState extends NodeBase {
  readonly type: 'file';
  readonly usedBytes: number;
  /** Where its contents are: in the region of this number; at both ends, with this SHA-256 in hexadecimal digits; nowhere, as it is empty. */
  readonly from: number | string | undefined;
}

export interface LinkState extends NodeBase {
  readonly type: 'link';
  readonly target: string;
}

export interface DeviceState extends NodeBase {
  readonly type: 'device';
  readonly rdev: number;
}

export type NodeState = DirectoryState | FileState | LinkState | DeviceState;

export interface TreeState {
  /** The root first; a directory before what is in it, in the order in which it is read. */
  readonly nodes: readonly NodeState[];
  readonly nextInode: number;
  readonly cwd: string;
}

const mostName = 4096;
/** Bits of a mode: its type and twelve of permissions. */
const mostMode = 0xffff;
const mostInode = 2 ** 31;

/** As JSON: a list, of what all nodes have and what its type has. */
export function writeNode(node: NodeState): readonly (number | string)[] {
  const { parent, name, mode, id, times } = node;
  const base = [parent, name, mode, id, ...times];
  switch (node.type) {
    case 'directory':
      return [...base, node.isMountpoint ? 1 : 0];
    case 'file':
      return node.from === undefined
        ? [...base, node.usedBytes]
        : [...base, node.usedBytes, node.from];
    case 'link':
      return [...base, node.target];
    case 'device':
      return [...base, node.rdev];
    default:
      return node satisfies never;
  }
}

/** What of a tree is not in its nodes. */
export function writeTree({ nextInode, cwd }: TreeState): object {
  return { nextInode, cwd };
}

/**
 * A tree of `nodes`. Throws MalformedState for anything that is none: names that are taken twice, parents that are none. `before`: one that was read, which spares looking at
 * all of them where they are as they were there.
 */
export function readTree(
  record: JsonRecord,
  nodes: readonly NodeState[],
  before: TreeState | undefined,
): TreeState {
  const nextInode = readCount('nextInode', record['nextInode'], mostInode);
  const cwd = readText('cwd', record['cwd'], mostName);
  if (before === undefined || nextInode < before.nextInode || !areAlike(nodes, before.nodes)) {
    checkTree(nodes, nextInode);
  }
  return { nodes, nextInode, cwd };
}

/** Whether what `checkTree` looks at is the same. */
function areAlike(nodes: readonly NodeState[], others: readonly NodeState[]): boolean {
  if (nodes.length !== others.length) return false;
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[index] as NodeState;
    const other = others[index] as NodeState;
    if (node !== other && !isAlike(node, other)) return false;
  }
  return true;
}

/** Whether two nodes are of one type, name and number, and in directories of one place. */
export function isAlike(node: NodeState, other: NodeState): boolean {
  const { parent, name, id, type } = node;
  const isSame =
    parent === other.parent && name === other.name && id === other.id && type === other.type;
  return isSame && isClosed(node) === isClosed(other);
}

function checkTree(nodes: readonly NodeState[], nextInode: number): void {
  const taken = new Set<string>();
  const ids = new Set<number>();
  if (nodes.length === 0) throw new MalformedState('it has no nodes');
  for (const [index, { parent, name, id }] of nodes.entries()) {
    const directory = nodes[parent];
    if (index === 0 ? nodes[0]?.type !== 'directory' : !fits(nodes[index], directory, index)) {
      throw new MalformedState(`node ${index} has no directory`);
    }
    const place = `${parent}/${name}`;
    if (parent >= 0 && taken.has(place))
      throw new MalformedState(`node ${index} has a name that is taken`);
    if (ids.has(id) || id >= nextInode)
      throw new MalformedState(`node ${index} has the number ${id}`);
    taken.add(place);
    ids.add(id);
  }
}

/** What is in it is not of this tree. */
function isClosed(node: NodeState): boolean {
  return node.type !== 'directory' || node.isMountpoint;
}

/** The last one would be another thing in the object that MEMFS has for a directory. */
const notNames: ReadonlySet<string> = new Set(['', '.', '..', '__proto__']);

function fits(
  node: NodeState | undefined,
  directory: NodeState | undefined,
  index: number,
): boolean {
  if (node === undefined || node.parent >= index) return false;
  if (node.parent === -1) return node.type === 'file';
  const { name } = node;
  const isName = !notNames.has(name) && !/[/\0]/.test(name);
  return isName && directory !== undefined && !isClosed(directory);
}

/** What `writeNode` wrote; `index` is for words alone. */
export function readNode(item: unknown, index: number): NodeState {
  try {
    return readParts(readList('it', item, 9, (value) => value));
  } catch (cause) {
    if (!(cause instanceof MalformedState)) throw cause;
    throw new MalformedState(`node ${index}: ${cause.message}`, { cause });
  }
}

/** There are thousands, read while a program stands still: what is wrong with one is only put into words where something is. */
function readParts(parts: readonly unknown[]): NodeState {
  const [parent, name, mode, id, atime, mtime, ctime, first, second] = parts;
  const base: NodeBase = {
    parent: readCount('its directory', Number(parent) + 1, maxNodes) - 1,
    name: readText('its name', name, mostName),
    mode: readCount('its mode', mode, mostMode),
    id: readCount('its number', id, mostInode),
    times: [
      readNumber('its atime', atime),
      readNumber('its mtime', mtime),
      readNumber('its ctime', ctime),
    ],
  };
  switch (base.mode & typeBits) {
    case directoryMode:
      return { ...base, type: 'directory', isMountpoint: readCount('its mount', first, 1) === 1 };
    case fileMode: {
      const usedBytes = readCount('its length', first);
      return { ...base, type: 'file', usedBytes, from: readFrom(usedBytes, second) };
    }
    case linkMode:
      return { ...base, type: 'link', target: readText('its target', first, mostName) };
    case deviceMode:
      return { ...base, type: 'device', rdev: readCount('its device', first, 2 ** 32) };
    default:
      throw new MalformedState('it is neither file, directory, link nor device');
  }
}

function readFrom(usedBytes: number, from: unknown): FileState['from'] {
  if (from === undefined) {
    if (usedBytes > 0) throw new MalformedState(`${usedBytes} bytes of nothing`);
    return undefined;
  }
  if (typeof from === 'string') return readText('its hash', from, 64);
  return readCount('its region', from, 0xffffffff);
}
