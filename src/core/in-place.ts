import { FerryError } from '../errors.js';
import { isShared, type LinearMemory } from './linear-memory.js';
import { secretBytes } from './secret.js';
import { compileOnce } from './wasm-module.js';

const pageBytes = 4096;

/** What assembly/in-place.ts exports. Hashes travel as two 32-bit halves: BigInt would cost as much as the call. */
interface InPlaceExports {
  check(address: number, expectedLow: number, expectedHigh: number): number;
  hashLow(): number;
  hashHigh(): number;
}

/**
 * Hashes the pages of somebody else's WebAssembly memory where they lie, plain or shared, without writing to it. A page's hash is its
 * XXH3-64 under `secret`. Hashes are kept by the caller as u64 in little-endian order, seen as `Uint32Array`: entries 2 p and 2 p + 1 are
 * page p's. A page that another thread writes meanwhile may hash to neither of its versions: it then counts as changed next time too.
 * To visit what changed in a range of pages:
 *
 *     let page = hasher.nextChanged(hashes, first, end);
 *     for (; page < end; page = hasher.nextChanged(hashes, page + 1, end)) hasher.store(hashes, page);
 */
export class InPlaceHasher {
  readonly #memory: LinearMemory;
  readonly #firstByte: number;
  readonly #exports: InPlaceExports;

  /**
   * `memory` must be a WebAssembly.Memory (TypeError); it may grow later. Page 0 is at `firstByte`. `secret` is 192 bytes (RangeError).
   * ERR_UNSUPPORTED for a memory with 64-bit addresses.
   */
  constructor(memory: LinearMemory, secret: Uint8Array, firstByte = 0) {
    if (!(memory instanceof WebAssembly.Memory)) throw new TypeError('not a WebAssembly.Memory');
    if (secret.length !== secretBytes) throw new RangeError(`secret of ${secret.length} bytes`);
    this.#memory = memory;
    this.#firstByte = firstByte;
    this.#exports = instantiate(memory, secret);
  }

  /** Whether `memory` can be hashed in place: it is a WebAssembly.Memory of this realm. */
  static accepts(memory: LinearMemory): boolean {
    return memory instanceof WebAssembly.Memory;
  }

  /** First page from `from` on whose hash differs from its entry in `hashes`, or `end`. RangeError if memory has fewer than `end` pages. */
  nextChanged(hashes: Uint32Array, from: number, end: number): number {
    if (this.#firstByte + end * pageBytes > this.#memory.buffer.byteLength) {
      throw new RangeError(`page ${end} of ${this.#memory.buffer.byteLength} bytes`);
    }
    const { check } = this.#exports;
    let address = this.#firstByte + from * pageBytes;
    for (let page = from; page < end; page++, address += pageBytes) {
      if (check(address, hashes[2 * page] ?? 0, hashes[2 * page + 1] ?? 0) !== 0) return page;
    }
    return end;
  }

  /** Keeps the hash of the page that `nextChanged` stopped at as entry `page` of `hashes`. */
  store(hashes: Uint32Array, page: number): void {
    hashes[2 * page] = this.#exports.hashLow();
    hashes[2 * page + 1] = this.#exports.hashHigh();
  }

  /** Hashes pages `from` to `end` - 1 and keeps all their hashes. */
  hashAll(hashes: Uint32Array, from: number, end: number): void {
    let page = this.nextChanged(hashes, from, end);
    for (; page < end; page = this.nextChanged(hashes, page + 1, end)) this.store(hashes, page);
  }
}

function instantiate(memory: WebAssembly.Memory, secret: Uint8Array): InPlaceExports {
  const module = compileOnce(isShared(memory) ? 'sharedInPlace' : 'inPlace');
  const words = new DataView(secret.buffer, secret.byteOffset, secretBytes);
  const globals: Record<string, WebAssembly.Global<'i64'>> = {};
  for (let word = 0; word < secretBytes / 8; word++) {
    const value = words.getBigInt64(8 * word, true);
    globals[`secret${word}`] = new WebAssembly.Global({ value: 'i64' }, value);
  }
  try {
    const imports = { env: { memory }, 'in-place': globals };
    const { exports } = new WebAssembly.Instance(module, imports);
    return exports as WebAssembly.Exports & InPlaceExports;
  } catch (cause) {
    throw new FerryError('ERR_UNSUPPORTED', 'this memory cannot be hashed in place', { cause });
  }
}
