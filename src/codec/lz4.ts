import { Arena } from '../core/arena.js';
import { FerryError } from '../errors.js';

/** Longer than any frame's body. */
const maxBytes = 1 << 20;
/** Behind both areas the kernel may touch so much. */
const slack = 64;

interface Workspace {
  readonly arena: Arena;
  readonly block: number;
  readonly raw: number;
}

let workspace: Workspace | undefined;

/** Made at the first call: importing this module costs nothing. */
function getWorkspace(): Workspace {
  if (workspace === undefined) {
    const arena = new Arena(2 * (maxBytes + slack) + slack);
    const block = arena.alloc(maxBytes + slack);
    workspace = { arena, block, raw: arena.alloc(maxBytes + slack) };
  }
  return workspace;
}

/**
 * What the LZ4 block `block` says: `rawBytes` bytes, a view that is valid until the next call. ERR_FRAME_CORRUPT if it is anything else,
 * RangeError beyond 1 MiB. For looking at frames: a destination has room of its own.
 */
export function decompressLz4(block: Uint8Array, rawBytes: number): Uint8Array {
  if (!(block.length <= maxBytes && rawBytes >= 0 && rawBytes <= maxBytes)) {
    throw new RangeError(`LZ4 block of ${block.length} bytes for ${rawBytes}`);
  }
  const { arena, block: from, raw } = getWorkspace();
  arena.bytes(from, block.length).set(block);
  if (arena.kernels.lz4Decompress(from, block.length, raw, rawBytes) === 0) {
    throw new FerryError('ERR_FRAME_CORRUPT', `no LZ4 block of ${rawBytes} bytes`);
  }
  return arena.bytes(raw, rawBytes);
}
