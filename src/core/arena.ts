import { FerryError } from '../errors.js';
import type { KernelExports } from './kernel-exports.js';
import { instantiateKernels } from './kernels.js';
import type { LinearMemory } from './linear-memory.js';
import { defaultSecret } from './secret.js';
import { allocateMemory } from './wasm-memory.js';

const wasmPageBytes = 65536;
/** Bytes below the first area: address 0 means "none" to the kernels, and the default secret has its fixed place. */
const reservedBytes = 256;

/** Most bytes one arena can hand out: wasm32 ends at 4 GiB, and what lies near it is left alone. */
export const maxArenaBytes: number = 3.5 * 2 ** 30;

export interface ArenaOptions {
  /** Memory that other threads can see (a SharedArrayBuffer). Default false. */
  readonly shared?: boolean;
}

/**
 * Memory of fixed size with the kernels over it, handed out in areas that are never taken back. It never grows, so views of it stay
 * valid as long as it lives. Zeroed; what is never touched costs address space only.
 */
export class Arena {
  /** Where the arena keeps XXH3's default secret, 192 bytes. Address 0 is never an area. */
  static readonly defaultSecretAddress: number = 64;

  readonly memory: LinearMemory;
  readonly kernels: KernelExports;
  readonly #end: number;
  #next: number = reservedBytes;

  /** Room for `byteLength` bytes of areas, up to `maxArenaBytes`. ERR_NO_CAPACITY if the system has not got that much. */
  constructor(byteLength: number, options: ArenaOptions = {}) {
    if (!Number.isSafeInteger(byteLength) || byteLength < 0) {
      throw new RangeError(`arena of ${byteLength} bytes`);
    }
    if (byteLength > maxArenaBytes) {
      throw new FerryError('ERR_NO_CAPACITY', `an arena holds ${maxArenaBytes} bytes at most`);
    }
    const wasmPages = Math.ceil((reservedBytes + byteLength) / wasmPageBytes);
    this.memory = allocateMemory(wasmPages, options.shared ?? false);
    this.kernels = instantiateKernels(this.memory);
    this.#end = wasmPages * wasmPageBytes;
    this.bytes(Arena.defaultSecretAddress, defaultSecret.length).set(defaultSecret);
  }

  /** Bytes still to be handed out, alignment apart. */
  get freeBytes(): number {
    return this.#end - this.#next;
  }

  /** Hands out `bytes` zeroed bytes at an address that is a multiple of `align`, a power of two. ERR_NO_CAPACITY if they do not fit. */
  alloc(bytes: number, align = 64): number {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`area of ${bytes} bytes`);
    const address = Math.ceil(this.#next / align) * align;
    if (address + bytes > this.#end) {
      throw new FerryError(
        'ERR_NO_CAPACITY',
        `area of ${bytes} bytes in an arena with ${this.freeBytes} left of ${this.#end}`,
      );
    }
    this.#next = address + bytes;
    return address;
  }

  /** The `length` bytes at `address`. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  /** The `length` 32-bit words at `address`, a multiple of 4. */
  u32(address: number, length: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, length);
  }

  /** The `length` 64-bit words at `address`, a multiple of 8. */
  u64(address: number, length: number): BigUint64Array {
    return new BigUint64Array(this.memory.buffer, address, length);
  }
}
