import { createHash } from 'node:crypto';
import type { Files } from './files.js';
import { isMountpoint, type OpenMemfs, visit } from './memfs.js';
import { bytesOf, type FsNode, isDirectory, isFile, isLink } from './module.js';
import type { FileState, NodeState, TreeState } from './tree-state.js';

/** A saved tree, and where each of its nodes is in it. */
export interface SavedTree {
  readonly tree: TreeState;
  readonly indexOf: ReadonlyMap<FsNode, number>;
}

/** All there is of a program's files but their contents. */
export function saveTree({ fs }: OpenMemfs, files: Files): SavedTree {
  files.regions();
  const visited = visit(fs);
  const indexOf = new Map(visited.map(({ node }, index) => [node, index]));
  const nodes = visited.map(({ node, path, parent }) => saveNode(files, node, path, parent));
  for (const { node, path } of files.files()) {
    if (indexOf.has(node)) continue;
    indexOf.set(node, nodes.length);
    nodes.push(saveNode(files, node, path, -1));
  }
  return { tree: { nodes, nextInode: fs.nextInode, cwd: fs.currentPath }, indexOf };
}

function saveNode(files: Files, node: FsNode, path: string, parent: number): NodeState {
  const { name, mode, id } = node;
  const base = { parent, name, mode, id, times: timesOf(node) };
  if (isDirectory(node)) return { ...base, type: 'directory', isMountpoint: isMountpoint(node) };
  if (isLink(node)) return { ...base, type: 'link', target: node.link ?? '' };
  if (!isFile(node)) return { ...base, type: 'device', rdev: node.rdev };
  const usedBytes = bytesOf(node).byteLength;
  return { ...base, type: 'file', usedBytes, from: contentsOf(files, node, path) };
}

function contentsOf(files: Files, node: FsNode, path: string): FileState['from'] {
  const region = files.regionOf(node);
  if (region !== undefined) return { region: region.id };
  const bytes = bytesOf(node);
  if (bytes.byteLength === 0 || !files.isStill(node, path)) return undefined;
  return { sha256: hashOf(node) };
}

const hashes = new WeakMap<object, { readonly usedBytes: number; readonly sha256: string }>();

/** The SHA-256 of what a still file contains, as hexadecimal digits; kept for as long as it has these contents. */
export function hashOf(file: FsNode): string {
  const bytes = bytesOf(file);
  const contents = file.contents as object;
  const known = hashes.get(contents);
  if (known?.usedBytes === bytes.byteLength) return known.sha256;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  hashes.set(contents, { usedBytes: bytes.byteLength, sha256 });
  return sha256;
}

function timesOf(node: FsNode): NodeState['times'] {
  const { timestamp = 0, atime = timestamp, mtime = timestamp, ctime = timestamp } = node;
  return [Number(atime), Number(mtime), Number(ctime)];
}
