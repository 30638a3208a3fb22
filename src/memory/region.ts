import type { LinearMemory } from '../core/linear-memory.js';

/** What a destination's copy of a region begins with: zeros, anything, or what may be an older copy (`Region.held`). */
export type Base = 'zero' | 'unknown' | 'held';

/**
 * One stretch of bytes that travels: a guest's memory, a file. Offsets and lengths are bytes from its start.
 * `read` and `write` may be asynchronous (files); in-process memory answers at once.
 */
export interface Region {
  /** Unique within its guest, 0 to 0xffffffff. */
  readonly id: number;
  readonly name: string;
  /** Current size; any number of bytes, need not be a multiple of the page size. */
  readonly byteLength: number;
  /** The size it may grow to while it is migrated. At least `byteLength`. */
  readonly maxByteLength: number;
  /** True where every byte is known to be zero because nothing was ever written (a file just created). */
  readonly fresh?: boolean;
  /**
   * At a destination: true where the bytes may be an older copy of what arrives. They are compared before anything is sent, and only what differs travels.
   * Whatever else they are costs time and does no harm.
   */
  readonly held?: boolean;
  /** True where another thread or process may write while we read: pages are then copied before they are looked at. */
  readonly concurrent?: boolean;
  /** Fills `into` from `offset` on; returns the bytes read, fewer only at the region's end. */
  read(offset: number, into: Uint8Array): number | Promise<number>;
  /** Writes all of `from` at `offset`. */
  write(offset: number, from: Uint8Array): void | Promise<void>;
  /** Makes the region `byteLength` bytes long; new bytes are zero. Throws above `maxByteLength`. */
  grow(byteLength: number): void | Promise<void>;
  /** In-process bytes, if that is what the region is. Read anew after anything that may grow it. */
  memory?(): Uint8Array;
  /** Of an open file whose bytes are this region, for other threads of the process to open it by once more. */
  readonly descriptor?: number;
  /** The WebAssembly.Memory whose bytes 0..byteLength are this region, so that a kernel can look at it in place. */
  linearMemory?(): LinearMemory;
}
