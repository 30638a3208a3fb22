import type { LinearMemory } from '../core/linear-memory.js';
import { FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';

/** In-process memory that is to be a region. */
export interface MemorySource {
  readonly id?: number;
  readonly name: string;
  /** The region's bytes as they are now; called again after anything that may have grown them. */
  bytes(): Uint8Array;
  /** Bytes; the present length if absent. */
  readonly maxByteLength?: number;
  /** Makes `bytes()` this long; only called with more than it is and at most `maxByteLength`. Absent: it cannot grow. */
  grow?(byteLength: number): void;
  readonly concurrent?: boolean;
  /** True if nothing was written yet: then `Region.fresh` holds until the bytes are first handed out or written. */
  readonly fresh?: boolean;
  /** See `Region.held`. */
  readonly held?: boolean;
  /** The WebAssembly.Memory that begins with the region, if there is one. */
  readonly linearMemory?: LinearMemory;
}

/** A region over in-process memory. Offsets outside it are RangeErrors, growth beyond the maximum is ERR_REGION_TOO_LARGE. */
export function memoryRegion(source: MemorySource): Region {
  const { linearMemory } = source;
  const maxByteLength = source.maxByteLength ?? source.bytes().byteLength;
  let fresh = source.fresh ?? false;

  function stretch(offset: number, byteLength: number): Uint8Array {
    const bytes = source.bytes();
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + byteLength > bytes.byteLength) {
      throw new RangeError(
        `${byteLength} bytes at ${offset} lie outside region "${source.name}" of ${bytes.byteLength}`,
      );
    }
    return bytes.subarray(offset, offset + byteLength);
  }

  return {
    id: source.id ?? 0,
    name: source.name,
    maxByteLength,
    concurrent: source.concurrent ?? false,
    held: source.held ?? false,
    get byteLength() {
      return source.bytes().byteLength;
    },
    get fresh() {
      return fresh;
    },
    read(offset, into) {
      const left = Math.max(0, source.bytes().byteLength - offset);
      const bytes = stretch(offset, Math.min(left, into.byteLength));
      into.set(bytes);
      return bytes.byteLength;
    },
    write(offset, from) {
      fresh = false;
      stretch(offset, from.byteLength).set(from);
    },
    grow(byteLength) {
      const present = source.bytes().byteLength;
      if (byteLength === present) return;
      if (byteLength < present) {
        throw new RangeError(
          `region "${source.name}" of ${present} bytes cannot shrink to ${byteLength}`,
        );
      }
      if (byteLength > maxByteLength || source.grow === undefined) {
        throw new FerryError(
          'ERR_REGION_TOO_LARGE',
          `region "${source.name}" cannot grow to ${byteLength} bytes: ` +
            `its maximum is ${source.grow === undefined ? present : maxByteLength}`,
        );
      }
      source.grow(byteLength);
      const grown = source.bytes().byteLength;
      if (grown !== byteLength) {
        throw new FerryError(
          'ERR_GUEST',
          `region "${source.name}" grew to ${grown} bytes instead of ${byteLength}`,
        );
      }
    },
    memory() {
      fresh = false;
      return source.bytes();
    },
    ...(linearMemory === undefined ? {} : { linearMemory: () => linearMemory }),
  };
}
