import { Arena } from '../core/arena.js';
import { placeHashKey } from './page-hashes.js';
import { PAGE_BYTES } from './pages.js';

/** More than what `placeHashKey` takes. */
const keyBytes = 4 * PAGE_BYTES;

interface Room {
  readonly arena: Arena;
  readonly secret: number;
  readonly address: number;
  /** It has room for so many. */
  readonly leaves: number;
}

/** Roots of regions whose leaves were hashed elsewhere; see `PageHashes`. */
export class RootHasher {
  readonly #secret: Uint8Array;
  #room: Room | undefined;

  /** `secret`: 192 bytes. */
  constructor(secret: Uint8Array) {
    this.#secret = secret.slice();
  }

  /** Of a region of `byteLength` bytes with these leaves. */
  root(byteLength: number, leaves: BigUint64Array): bigint {
    const { arena, secret, address } = this.#roomFor(leaves.length);
    const input = arena.u64(address, 1 + leaves.length);
    input[0] = BigInt(byteLength);
    input.set(leaves, 1);
    return BigInt.asUintN(64, arena.kernels.xxh3(address, input.byteLength, secret));
  }

  #roomFor(leaves: number): Room {
    if (this.#room !== undefined && this.#room.leaves >= leaves) return this.#room;
    const bytes = 8 * (1 + leaves);
    const arena = new Arena(bytes + keyBytes);
    const { secret } = placeHashKey(arena, this.#secret);
    this.#room = { arena, secret, address: arena.alloc(bytes, 8), leaves };
    return this.#room;
  }
}
