import type { FsNode } from './module.js';
import type { NodeState } from './tree-state.js';

/**
 * A node as it was when it was saved, or made what a state says: whoever changes one tells nobody, so that all of them are looked at again while the program stands still. What is kept is
 * therefore what the node's own fields hold: comparing those is all there is to be done for one that did not change.
 */
export interface SeenNode {
  readonly node: FsNode;
  readonly state: NodeState;
  readonly contents: unknown;
  readonly usedBytes: unknown;
  readonly mounted: unknown;
  readonly link: unknown;
  readonly rdev: unknown;
  readonly atime: unknown;
  readonly mtime: unknown;
  readonly ctime: unknown;
  readonly timestamp: unknown;
}

/** `state` is what stands for the node now. */
export function seeNode(node: FsNode, state: NodeState): SeenNode {
  const { contents, usedBytes, mounted, link, rdev, timestamp, atime, mtime, ctime } = node;
  const times = { timestamp, atime, mtime, ctime };
  return { node, state, contents, usedBytes, mounted, link, rdev, ...times };
}

/** Whether the node is still what it was. False as well where that cannot be seen: a build whose times are objects. */
export function isAsSeen(seen: SeenNode): boolean {
  const { node, state } = seen;
  return (
    node.contents === seen.contents &&
    node.mtime === seen.mtime &&
    node.usedBytes === seen.usedBytes &&
    node.atime === seen.atime &&
    node.ctime === seen.ctime &&
    node.mode === state.mode &&
    node.id === state.id &&
    node.name === state.name &&
    node.mounted === seen.mounted &&
    node.link === seen.link &&
    node.rdev === seen.rdev &&
    node.timestamp === seen.timestamp &&
    typeof seen.mtime !== 'object' &&
    typeof seen.timestamp !== 'object'
  );
}
