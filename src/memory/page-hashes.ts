import type { Arena } from '../core/arena.js';
import { DirtyBitmap } from './bitmap.js';
import { LEAF_PAGES, leafCountOf, leafOf, PAGE_BYTES } from './pages.js';

/** XXH3-64 with the session's secret: what every page hash, leaf and root is made with. Addresses in one arena. */
export interface HashKey {
  /** Of the 192 bytes of the secret. */
  readonly secret: number;
  /** Hash of a page of zeros. */
  readonly zeroHash: bigint;
}

/**
 * The hashes of a region's pages and the tree over them (docs/protocol.md, section 5):
 *   leaf = hash of 512 page hashes, u64 little-endian, those that do not exist being 0
 *   root = hash of {u64 byteLength, leaves}
 * Page hashes stand in the arena for kernels to write; whoever writes one touches its page here. Only touched leaves are computed anew.
 */
export class PageHashes {
  /** Where the u64 hash of page 0 is. */
  readonly address: number;
  /** The same hashes as u32: entries 2 p and 2 p + 1 are the halves of page p's. */
  readonly words: Uint32Array;
  readonly #arena: Arena;
  readonly #key: HashKey;
  readonly #hashes: BigUint64Array;
  /** {u64 byteLength, leaves}: what the root is the hash of. */
  readonly #rootAddress: number;
  readonly #rootInput: BigUint64Array;
  readonly #touched: DirtyBitmap;
  #pageCount = 0;

  /** Bytes of arena taken for a region of at most `capacityPages`. */
  static byteLength(capacityPages: number): number {
    const leaves = leafCountOf(capacityPages);
    return leaves * PAGE_BYTES + 8 + leaves * 8 + DirtyBitmap.byteLength(leaves);
  }

  /** `address` is that of `byteLength(capacityPages)` zero bytes, 8-aligned. No page exists yet: see `resize`. */
  constructor(arena: Arena, key: HashKey, capacityPages: number, address: number) {
    const leaves = leafCountOf(capacityPages);
    this.address = address;
    this.#arena = arena;
    this.#key = key;
    this.#hashes = arena.u64(address, leaves * LEAF_PAGES);
    this.words = arena.u32(address, leaves * LEAF_PAGES * 2);
    this.#rootAddress = address + leaves * PAGE_BYTES;
    this.#rootInput = arena.u64(this.#rootAddress, 1 + leaves);
    this.#touched = new DirtyBitmap(arena, leaves, this.#rootAddress + 8 + leaves * 8);
  }

  /** Pages from the present end on exist from now on and are zero. It never shrinks. */
  resize(pageCount: number): void {
    if (pageCount <= this.#pageCount) return;
    this.#hashes.fill(this.#key.zeroHash, this.#pageCount, pageCount);
    this.touch(this.#pageCount, pageCount - this.#pageCount);
    this.#pageCount = pageCount;
  }

  /** The hashes of `count` pages from `first` on were, or will be, written by a kernel. */
  touch(first: number, count: number): void {
    const leaf = leafOf(first);
    this.#touched.setRange(leaf, leafOf(first + count - 1) - leaf + 1);
  }

  get(page: number): bigint {
    return this.#hashes[page] ?? 0n;
  }

  /** Whether the page's hash is that at `index` of `others`, u64 as halves: 64-bit numbers in JavaScript are allocated one by one. */
  isSame(page: number, others: Uint32Array, index: number): boolean {
    const { words } = this;
    return words[2 * page] === others[2 * index] && words[2 * page + 1] === others[2 * index + 1];
  }

  /** Replaces hashes, all by the same one where `count` is given. */
  set(first: number, hash: bigint, count = 1): void {
    this.#hashes.fill(hash, first, first + count);
    this.touch(first, count);
  }

  #refresh(): void {
    const leavesAt = this.#rootAddress + 8;
    for (const { first, count } of this.#touched.runs()) {
      const from = this.address + first * PAGE_BYTES;
      this.#arena.kernels.hashPages(from, count, leavesAt + first * 8, this.#key.secret);
    }
    this.#touched.clearAll();
  }

  /** A copy of the leaves of the pages that exist. */
  leaves(): BigUint64Array {
    this.#refresh();
    return this.#rootInput.slice(1, 1 + leafCountOf(this.#pageCount));
  }

  /** Of a region that is `byteLength` bytes long. */
  root(byteLength: number): bigint {
    this.#refresh();
    this.#rootInput[0] = BigInt(byteLength);
    const bytes = 8 + leafCountOf(this.#pageCount) * 8;
    return BigInt.asUintN(64, this.#arena.kernels.xxh3(this.#rootAddress, bytes, this.#key.secret));
  }

  /** A copy of the page hashes under a leaf, fewer than 512 under the last. RangeError if there is no such leaf. */
  ofLeaf(leaf: number): BigUint64Array {
    if (!Number.isInteger(leaf) || leaf < 0 || leaf >= leafCountOf(this.#pageCount)) {
      throw new RangeError(`no leaf ${leaf} in ${this.#pageCount} pages`);
    }
    const first = leaf * LEAF_PAGES;
    return this.#hashes.slice(first, Math.min(first + LEAF_PAGES, this.#pageCount));
  }
}

/** Puts a session's secret into an arena and computes what the hash of a zero page is under it. TypeError unless it has 192 bytes. */
export function placeHashKey(arena: Arena, secret: Uint8Array): HashKey & { zeroPage: number } {
  if (secret.byteLength !== 192) {
    throw new TypeError(`a hash secret has 192 bytes, not ${secret.byteLength}`);
  }
  const address = arena.alloc(192, 64);
  arena.bytes(address, 192).set(secret);
  const zeroPage = arena.alloc(PAGE_BYTES, PAGE_BYTES);
  const zeroHash = BigInt.asUintN(64, arena.kernels.xxh3(zeroPage, PAGE_BYTES, address));
  return { secret: address, zeroHash, zeroPage };
}
