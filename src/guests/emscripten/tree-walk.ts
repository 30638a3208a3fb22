import { FerryError } from '../../errors.js';
import { type EmscriptenFs, entriesOf, type FsNode, isDirectory } from './module.js';

/** Nodes that are visited at most: a tree that is deeper or wider is refused. */
export const maxNodes = 65_536;

export interface VisitedNode {
  readonly node: FsNode;
  /** As its directory has it; '' for the root. */
  readonly name: string;
  readonly path: string;
  /** Where its directory is among the visited; -1 for the root. */
  readonly parent: number;
}

/** All nodes of a tree, a directory before what is in it, in the order in which it is read; not what is mounted on one. */
export class TreeWalk {
  readonly #fs: EmscriptenFs;
  #visited: readonly VisitedNode[] = [];

  constructor(fs: EmscriptenFs) {
    this.#fs = fs;
  }

  /** The same list for as long as the tree is the same. ERR_GUEST if there are more than `maxNodes`. */
  visit(): readonly VisitedNode[] {
    if (!this.#isAsVisited()) this.#visited = visitAll(this.#fs);
    return this.#visited;
  }

  /** Whoever changes it tells nobody, so all of it is looked at; most of the time it is spared being described. */
  #isAsVisited(): boolean {
    const visited = this.#visited;
    if (visited[0]?.node !== this.#fs.root) return false;
    let next = 1;
    for (let parent = 0; parent < visited.length; parent++) {
      const { node } = visited[parent] as VisitedNode;
      if (!isOpen(node)) continue;
      const contents = Object(node.contents) as Record<string, unknown>;
      for (const name of Object.keys(contents)) {
        const known = visited[next++];
        if (known?.parent !== parent || known.name !== name || known.node !== contents[name]) {
          return false;
        }
      }
    }
    return next === visited.length;
  }
}

function visitAll(fs: EmscriptenFs): VisitedNode[] {
  const visited: VisitedNode[] = [{ node: fs.root, name: '', path: '', parent: -1 }];
  for (let parent = 0; parent < visited.length; parent++) {
    const { node, path } = visited[parent] as VisitedNode;
    if (!isOpen(node)) continue;
    for (const [name, child] of entriesOf(node)) {
      visited.push({ node: child, name, path: `${path}/${name}`, parent });
    }
    if (visited.length > maxNodes) {
      throw new FerryError('ERR_GUEST', `more than ${maxNodes} files and directories`);
    }
  }
  return visited;
}

/** Whether what is in it belongs to the tree. */
function isOpen(node: FsNode): boolean {
  return isDirectory(node) && !isMountpoint(node);
}

/** Another file system stands on it. */
export function isMountpoint(node: FsNode): boolean {
  return node.mounted !== null && node.mounted !== undefined;
}
