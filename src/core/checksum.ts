import { Arena } from './arena.js';

const firstScratchBytes = 1 << 20;
let scratch: { readonly arena: Arena; readonly address: number; readonly byteLength: number };

/** Somewhere to copy `bytes` bytes to. Frames and headers fit the first one; a longer input gets one that later ones use too. */
function scratchFor(bytes: number): typeof scratch {
  if (scratch === undefined || scratch.byteLength < bytes) {
    const byteLength = Math.max(bytes, firstScratchBytes);
    const arena = new Arena(byteLength);
    scratch = { arena, address: arena.alloc(byteLength), byteLength };
  }
  return scratch;
}

/**
 * XXH3-64 of `bytes` under the default secret. Read in place where they lie in `arena`; bytes from elsewhere are copied into WebAssembly
 * memory first.
 */
export function checksum(bytes: Uint8Array, arena?: Arena): bigint {
  if (arena !== undefined && bytes.buffer === arena.memory.buffer) {
    return hashIn(arena, bytes.byteOffset, bytes.length);
  }
  const room = scratchFor(bytes.length);
  room.arena.bytes(room.address, bytes.length).set(bytes);
  return hashIn(room.arena, room.address, bytes.length);
}

/** The low 32 bits of `checksum(bytes)`. */
export function low32(bytes: Uint8Array): number {
  return Number(BigInt.asUintN(32, checksum(bytes)));
}

function hashIn(arena: Arena, address: number, bytes: number): bigint {
  return BigInt.asUintN(64, arena.kernels.xxh3(address, bytes, Arena.defaultSecretAddress));
}
