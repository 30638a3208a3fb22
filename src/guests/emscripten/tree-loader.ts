import type { FileRegion } from './file-region.js';
import type { Files } from './files.js';
import type { OpenMemfs } from './memfs.js';
import { type FsNode, typeBits } from './module.js';
import { isAsSeen, type SeenNode, seeNode } from './seen-node.js';
import { applyTree, checkRoom, fillNode, planTree, settleTree } from './tree-load.js';
import { isAlike, type NodeState, type TreeState } from './tree-state.js';
import type { VisitedNode } from './tree-walk.js';

/** What a tree was made, and with which regions. */
interface LoadedTree {
  readonly tree: TreeState;
  readonly nodes: readonly FsNode[];
  readonly seen: SeenNode[];
  readonly visited: readonly VisitedNode[];
  readonly regions: readonly FileRegion[];
}

/** A node that is to become another than it is. */
interface Change {
  readonly index: number;
  readonly node: FsNode;
  readonly state: NodeState;
  readonly region: FileRegion | undefined;
}

/** Makes the tree here another side's, again and again: of one that is like the last, which was rehearsed, only what differs. */
export class TreeLoader {
  readonly #memfs: OpenMemfs;
  readonly #files: Files;
  #loaded: LoadedTree | undefined;

  constructor(memfs: OpenMemfs, files: Files) {
    this.#memfs = memfs;
    this.#files = files;
  }

  /** The tree that was loaded last. */
  get last(): TreeState | undefined {
    return this.#loaded?.tree;
  }

  /** Gives what makes the tree here `tree`, and then its nodes in their order. MalformedState names the first thing that cannot be made so; nothing is changed. */
  plan(tree: TreeState): () => readonly FsNode[] {
    const loaded = this.#loaded;
    const changes = loaded && this.#changes(tree, loaded);
    if (changes !== undefined) return () => this.#change(tree, loaded as LoadedTree, changes);
    const planned = planTree(this.#memfs, this.#files, tree);
    return () => {
      this.#loaded = undefined;
      const nodes = applyTree(this.#memfs, this.#files, planned, tree);
      const seen = nodes.map((node, index) => seeNode(node, tree.nodes[index] as NodeState));
      const visited = this.#memfs.walk.visit();
      this.#loaded = { tree, nodes, seen, visited, regions: this.#files.list };
      return nodes;
    };
  }

  /** Undefined where more is to be done than to give nodes other lengths, times and permissions. */
  #changes({ nodes }: TreeState, loaded: LoadedTree): Change[] | undefined {
    const isSame =
      nodes.length === loaded.seen.length &&
      this.#memfs.walk.visit() === loaded.visited &&
      this.#files.regions() === loaded.regions;
    if (!isSame) return undefined;
    const changes: Change[] = [];
    for (let index = 0; index < nodes.length; index++) {
      const state = nodes[index] as NodeState;
      const seen = loaded.seen[index] as SeenNode;
      if (state === seen.state && isAsSeen(seen)) continue;
      const { node } = seen;
      const region = this.#files.regionOf(node);
      if (!isSmall(state, seen, region)) return undefined;
      changes.push({ index, node, state, region });
    }
    for (const { state, region } of changes) if (region !== undefined) checkRoom(state, region);
    return changes;
  }

  #change(tree: TreeState, loaded: LoadedTree, changes: readonly Change[]): readonly FsNode[] {
    const { nodes, seen } = loaded;
    this.#loaded = undefined;
    for (const { index, node, state, region } of changes) {
      fillNode(node, state);
      region?.detach();
      if (state.type === 'file') region?.attach(node, state.usedBytes);
      seen[index] = seeNode(node, state);
    }
    settleTree(this.#memfs, tree);
    this.#loaded = { ...loaded, tree };
    return nodes;
  }
}

/** Whether the node stays where it is, with its number and type, and its contents in `region`, or as they are. */
function isSmall(state: NodeState, seen: SeenNode, region: FileRegion | undefined): boolean {
  const { node, state: before } = seen;
  const isSame =
    isAlike(state, before) &&
    node.id === state.id &&
    node.name === state.name &&
    node.mounted === seen.mounted &&
    node.rdev === seen.rdev &&
    (node.mode & typeBits) === (state.mode & typeBits);
  if (!isSame) return false;
  if (state.type === 'device') return state.rdev === seen.rdev;
  if (state.type !== 'file' || before.type !== 'file') return true;
  if (typeof state.from !== 'string') return state.from === region?.id;
  // What is part of the program was compared with what is here.
  return (
    state.from === before.from &&
    state.usedBytes === before.usedBytes &&
    node.contents === seen.contents &&
    node.usedBytes === seen.usedBytes
  );
}
