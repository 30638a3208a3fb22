import { MalformedState } from '../json-state.js';
import type { FileRegion } from './file-region.js';
import type { Files } from './files.js';
import type { OpenMemfs } from './memfs.js';
import { type FsNode, isDevice, isDirectory, isFile, typeBits, usedBytesOf } from './module.js';
import { hashOf } from './tree-save.js';
import type { FileState, NodeState, TreeState } from './tree-state.js';
import { isMountpoint, type TreeWalk, type VisitedNode } from './tree-walk.js';

/** A node of the other side and the one that is here in its place, if there is one of its type. */
export interface PlannedNode {
  readonly state: NodeState;
  readonly here: FsNode | undefined;
  /** What a file will contain. */
  readonly region: FileRegion | undefined;
}

/** Finds what is here of another side's tree. MalformedState names the first thing that cannot be made so; nothing is changed. */
export function planTree(
  { fs, walk }: OpenMemfs,
  files: Files,
  { nodes }: TreeState,
): PlannedNode[] {
  const regions = new Map(files.regions().map((region) => [region.id, region]));
  const planned: PlannedNode[] = [];
  for (const state of nodes) {
    const above = state.parent < 0 ? undefined : planned[state.parent];
    const here = placeOf(fs.root, state, planned.length, above);
    planned.push({ state, here, region: regionOf(state, here, regions) });
  }
  if (regions.size > 0) {
    const [left] = regions.values();
    throw new MalformedState(`region ${left?.id} "${left?.name}" belongs to no file`);
  }
  checkDevices(planned, walk.visit());
  return planned;
}

function placeOf(
  root: FsNode,
  state: NodeState,
  index: number,
  above: PlannedNode | undefined,
): FsNode | undefined {
  const found = index === 0 ? root : childOf(above?.here, state.name);
  return found !== undefined && (found.mode & typeBits) === (state.mode & typeBits)
    ? found
    : undefined;
}

function childOf(directory: FsNode | undefined, name: string): FsNode | undefined {
  const contents = directory?.contents;
  if (typeof contents !== 'object' || contents === null || !Object.hasOwn(contents, name)) {
    return undefined;
  }
  return Reflect.get(contents, name) as FsNode;
}

/** The region of a file's contents, which is then taken. */
function regionOf(
  state: NodeState,
  here: FsNode | undefined,
  regions: Map<number, FileRegion>,
): FileRegion | undefined {
  if (state.type !== 'file' || state.from === undefined) return undefined;
  if (typeof state.from === 'string') {
    checkStill(state, state.from, here);
    return undefined;
  }
  const region = regions.get(state.from);
  if (region === undefined)
    throw new MalformedState(`file "${state.name}" is in no region of its own`);
  checkRoom(state, region);
  regions.delete(region.id);
  return region;
}

/** Sees that a file's contents can be in `region`. */
export function checkRoom(state: NodeState, region: FileRegion): void {
  if (state.type !== 'file' || region.byteLength >= state.usedBytes) return;
  throw new MalformedState(`file "${state.name}" has more bytes than region ${region.id}`);
}

function checkStill(state: FileState, sha256: string, here: FsNode | undefined): void {
  if (here !== undefined && isFile(here) && usedBytesOf(here) === state.usedBytes) {
    if (hashOf(here) === sha256) return;
  }
  throw new MalformedState(`file "${state.name}" is part of the program and another one here`);
}

/** Devices and mounts are the host's: the same have to be here. */
function checkDevices(planned: readonly PlannedNode[], visited: readonly VisitedNode[]): void {
  const kept = new Set<FsNode>();
  for (const { state, here } of planned) {
    if (state.type === 'device' && here?.rdev !== state.rdev) {
      throw new MalformedState(`device "${state.name}" is not here`);
    }
    const isMounted = here !== undefined && isMountpoint(here);
    if (state.type === 'directory' && state.isMountpoint !== isMounted) {
      throw new MalformedState(`what is mounted on "${state.name}" is on one side only`);
    }
    if (here !== undefined) kept.add(here);
  }
  for (const { node, path } of visited) {
    if ((isDevice(node) || isMountpoint(node)) && !kept.has(node)) {
      throw new MalformedState(`${path} is only on this side`);
    }
  }
}

/** Makes the tree what was planned, and gives its nodes in the order of the plan. */
export function applyTree(
  open: OpenMemfs,
  files: Files,
  planned: readonly PlannedNode[],
  tree: TreeState,
): FsNode[] {
  const nodes = isInPlace(open.walk, planned)
    ? planned.map(({ here }) => here as FsNode)
    : rebuild(open, planned);
  for (const [index, { state }] of planned.entries()) fillNode(nodes[index] as FsNode, state);
  files.settle(
    planned.flatMap(({ state, region }, index) =>
      state.type === 'file' && region !== undefined
        ? [
            {
              node: nodes[index] as FsNode,
              region,
              usedBytes: state.usedBytes,
              isNamed: state.parent >= 0,
            },
          ]
        : [],
    ),
  );
  settleTree(open, tree);
  return nodes;
}

/** What of a tree is not its nodes'. */
export function settleTree({ fs }: OpenMemfs, { nextInode, cwd }: TreeState): void {
  fs.nextInode = nextInode;
  fs.currentPath = cwd;
}

/** Each node is where it has to be already, in the same order and by the same number: as when a state was rehearsed before. */
function isInPlace(walk: TreeWalk, planned: readonly PlannedNode[]): boolean {
  const visited = walk.visit();
  return (
    visited.length === planned.length &&
    planned.every(
      ({ state, here }, index) => here === visited[index]?.node && here?.id === state.id,
    )
  );
}

/** Puts nodes where they have to be; makes those that are not here. */
function rebuild({ fs, memfs, walk }: OpenMemfs, planned: readonly PlannedNode[]): FsNode[] {
  // Nodes are found by their names and the numbers of their directories, which may be others now.
  for (const { node } of walk.visit()) for (const each of hashed(node)) fs.hashRemoveNode(each);
  const nodes: FsNode[] = [];
  for (const { state, here } of planned) {
    nodes.push(here ?? newNode(fs, memfs, nodes[state.parent] ?? fs.root, state));
  }
  for (const node of nodes) if (isDirectory(node) && !isMountpoint(node)) node.contents = {};
  for (const [index, { state }] of planned.entries()) {
    place(nodes[index] as FsNode, state, nodes[state.parent]);
  }
  for (const node of nodes.slice().reverse()) {
    if (isNamed(node)) for (const each of hashed(node)) fs.hashAddNode(each);
  }
  return nodes;
}

/** The node, and the root of what is mounted on it where that is found by its name as well. */
function hashed(node: FsNode): FsNode[] {
  const mounted = node.mounted?.root;
  return mounted === undefined || mounted.parent === mounted ? [node] : [node, mounted];
}

/** In no table of names yet. */
function newNode(
  fs: OpenMemfs['fs'],
  memfs: OpenMemfs['memfs'],
  parent: FsNode,
  state: NodeState,
): FsNode {
  const node = memfs.createNode(parent, state.name, state.mode, 0);
  fs.hashRemoveNode(node);
  return node;
}

function isNamed(node: FsNode): boolean {
  return node.parent === node || Reflect.get(Object(node.parent.contents), node.name) === node;
}

function place(node: FsNode, state: NodeState, directory: FsNode | undefined): void {
  node.id = state.id;
  if (directory === undefined) return;
  node.name = state.name;
  node.parent = directory;
  Reflect.set(directory.contents as object, state.name, node);
}

/** What of a node is its own, but for contents in a region. */
export function fillNode(node: FsNode, state: NodeState): void {
  const [atime, mtime, ctime] = state.times;
  node.mode = state.mode;
  if ('timestamp' in node) {
    node.timestamp = mtime;
  } else {
    node.atime = atime;
    node.mtime = mtime;
    node.ctime = ctime;
  }
  if (state.type === 'link') node.link = state.target;
  if (state.type === 'file' && state.from === undefined) {
    node.contents = new Uint8Array(0);
    node.usedBytes = 0;
  }
}
