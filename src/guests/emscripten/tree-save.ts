import { createHash } from 'node:crypto';
import type { FileRegion } from './file-region.js';
import type { Files } from './files.js';
import type { OpenMemfs } from './memfs.js';
import { bytesOf, type FsNode, isDirectory, isFile, isLink, usedBytesOf } from './module.js';
import { isAsSeen, type SeenNode, seeNode } from './seen-node.js';
import type { FileState, NodeState, NodeTimes, TreeState } from './tree-state.js';
import { isMountpoint, type VisitedNode } from './tree-walk.js';

/** A saved tree, and where each of its nodes is in it; undefined for a node that is not. */
export interface SavedTree {
  readonly tree: TreeState;
  readonly indexOf: (node: FsNode) => number | undefined;
}

/** Saves all there is of a program's files but their contents. What is as it was the last time is said by the same objects. */
export class TreeSaver {
  readonly #memfs: OpenMemfs;
  readonly #files: Files;
  #visited: readonly VisitedNode[] = [];
  #indexOf: ReadonlyMap<FsNode, number> = new Map();
  #regions: readonly FileRegion[] = [];
  /** Of the nodes that were visited last. */
  #seen: SeenNode[] = [];

  constructor(memfs: OpenMemfs, files: Files) {
    this.#memfs = memfs;
    this.#files = files;
  }

  save(): SavedTree {
    const { fs, walk } = this.#memfs;
    this.#follow(walk.visit(), this.#files.regions());
    const named = this.#indexOf;
    const nodes: NodeState[] = [];
    for (let index = 0; index < this.#visited.length; index++) {
      const seen = this.#seen[index];
      nodes.push(seen !== undefined && isAsSeen(seen) ? seen.state : this.#saveNamed(index));
    }
    const nameless = new Map<FsNode, number>();
    for (const { node, path } of this.#files.nameless((each) => named.has(each))) {
      nameless.set(node, nodes.length);
      nodes.push(saveNode(this.#files, { node, path, parent: -1 }));
    }
    return {
      tree: { nodes, nextInode: fs.nextInode, cwd: fs.currentPath },
      indexOf: (node) => named.get(node) ?? nameless.get(node),
    };
  }

  /** What was seen holds for as long as each node is where it was, and no file became another region. */
  #follow(visited: readonly VisitedNode[], regions: readonly FileRegion[]): void {
    if (visited !== this.#visited) {
      this.#visited = visited;
      this.#indexOf = new Map(visited.map(({ node }, index) => [node, index]));
      this.#seen = [];
    }
    if (regions !== this.#regions) {
      this.#regions = regions;
      this.#seen = [];
    }
  }

  #saveNamed(index: number): NodeState {
    const visited = this.#visited[index] as VisitedNode;
    const state = saveNode(this.#files, visited);
    this.#seen[index] = seeNode(visited.node, state);
    return state;
  }
}

function saveNode(
  files: Files,
  { node, path, parent }: Pick<VisitedNode, 'node' | 'path' | 'parent'>,
): NodeState {
  const { name, mode, id } = node;
  const base = { parent, name, mode, id, times: timesOf(node) };
  if (isDirectory(node)) return { ...base, type: 'directory', isMountpoint: isMountpoint(node) };
  if (isLink(node)) return { ...base, type: 'link', target: node.link ?? '' };
  if (!isFile(node)) return { ...base, type: 'device', rdev: node.rdev };
  const usedBytes = usedBytesOf(node);
  return { ...base, type: 'file', usedBytes, from: contentsOf(files, node, path) };
}

function contentsOf(files: Files, node: FsNode, path: string): FileState['from'] {
  const region = files.regionOf(node);
  if (region !== undefined) return region.id;
  if (usedBytesOf(node) === 0 || !files.isStill(node, path)) return undefined;
  return hashOf(node);
}

const hashes = new WeakMap<object, { readonly usedBytes: number; readonly sha256: string }>();

/** The SHA-256 of what a still file contains, as hexadecimal digits; kept for as long as it has these contents. */
export function hashOf(file: FsNode): string {
  const usedBytes = usedBytesOf(file);
  const contents = file.contents as object;
  const known = hashes.get(contents);
  if (known?.usedBytes === usedBytes) return known.sha256;
  const sha256 = createHash('sha256').update(bytesOf(file)).digest('hex');
  hashes.set(contents, { usedBytes, sha256 });
  return sha256;
}

function timesOf(node: FsNode): NodeTimes {
  const { timestamp = 0, atime = timestamp, mtime = timestamp, ctime = timestamp } = node;
  return [Number(atime), Number(mtime), Number(ctime)];
}
