import { whyUnmovable } from './descriptors.js';
import type { Files } from './files.js';
import type { OpenMemfs } from './memfs.js';
import {
  bytesOf,
  type EmscriptenModule,
  exportedBy,
  type FsMount,
  type FsNode,
  hasBytes,
  isFile,
} from './module.js';
import { isMountpoint } from './tree-walk.js';

/** What an offer has room for (docs/protocol.md): regions, and bytes of their names and numbers. */
const mostRegions = 4000;
const mostOfferBytes = 112 * 1024;
const offerBytesEach = 21;
/** emscripten's own, in every program: names of descriptors. */
const ownMount = '/proc/self/fd';

/** What of a program's files and descriptors cannot travel, in words. */
export function findUnmovable(
  module: EmscriptenModule,
  memory: { readonly buffer: ArrayBufferLike },
  { fs, walk }: OpenMemfs,
  files: Files,
): string[] {
  const visited = walk.visit();
  const nodes = new Set([...visited, ...files.files()].map(({ node }) => node));
  const found: string[] = [];
  for (const { node, path } of visited) {
    if (isMountpoint(node) && path !== ownMount) {
      found.push(`${path} is ${kindOf(module, node.mounted)}, outside the program`);
    }
    const why = isFile(node) ? whyNoBytes(memory, node) : undefined;
    if (why !== undefined) found.push(`file ${path} ${why}`);
  }
  for (const [fd, stream] of fs.streams.entries()) {
    const why = stream ? whyUnmovable(stream, (node) => nodes.has(node)) : undefined;
    if (why !== undefined) found.push(`descriptor ${fd} (${stream?.path}) ${why}`);
  }
  return [...found, ...tooMany(files)];
}

function whyNoBytes(
  memory: { readonly buffer: ArrayBufferLike },
  file: FsNode,
): string | undefined {
  if (!hasBytes(file)) return 'is to be loaded later, or not in memory';
  // Such contents move when the memory grows, and maps of them are the file itself.
  const isInMemory = bytesOf(file).buffer === memory.buffer;
  return isInMemory ? "has its contents in the program's memory" : undefined;
}

/** The name of a mounted file system, as the module exports it. */
function kindOf(module: EmscriptenModule, mount: FsMount | null): string {
  const kinds = ['NODEFS', 'IDBFS', 'PROXYFS', 'WORKERFS', 'LZ4FS', 'MEMFS', 'OPFS'];
  const name = kinds.find((kind) => mount !== null && exportedBy(module, kind) === mount.type);
  return name ?? 'another file system';
}

function tooMany(files: Files): string[] {
  const regions = files.regions();
  const bytes = regions.reduce(
    (sum, { name }) => sum + offerBytesEach + Buffer.byteLength(name),
    0,
  );
  if (regions.length <= mostRegions && bytes <= mostOfferBytes) return [];
  return [
    `${regions.length} files that are not empty: at most ${mostRegions} can be, with names of ${mostOfferBytes} bytes in all`,
  ];
}
