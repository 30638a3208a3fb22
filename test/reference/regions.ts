import type { Region } from '../../src/memory/region.js';

export interface TestRegion extends Region {
  /** The bytes now; replaced when it grows. */
  bytes: Uint8Array;
}

export interface TestRegionOptions {
  readonly id?: number;
  readonly maxByteLength?: number;
  readonly fresh?: boolean;
  readonly concurrent?: boolean;
  /** 'memory': in-process; 'file': read and written asynchronously; 'calls': read and written at once, but by calls only. */
  readonly as?: 'memory' | 'file' | 'calls';
}

/** A region over plain bytes. */
export function testRegion(bytes: Uint8Array, options: TestRegionOptions = {}): TestRegion {
  const { id = 0, as = 'memory' } = options;
  const region = {
    id,
    name: `region ${id}`,
    bytes,
    get byteLength() {
      return region.bytes.length;
    },
    maxByteLength: options.maxByteLength ?? bytes.length,
    fresh: options.fresh ?? false,
    concurrent: options.concurrent ?? false,
    read(offset: number, into: Uint8Array): number | Promise<number> {
      const from = region.bytes.subarray(offset, offset + into.length);
      if (as === 'calls') {
        into.set(from);
        return from.length;
      }
      return Promise.resolve().then(() => {
        into.set(from);
        return from.length;
      });
    },
    write(offset: number, from: Uint8Array): void | Promise<void> {
      if (offset + from.length > region.bytes.length) throw new RangeError('outside');
      if (as === 'calls') region.bytes.set(from, offset);
      else return Promise.resolve().then(() => region.bytes.set(from, offset));
    },
    grow(byteLength: number): void {
      const grown = new Uint8Array(byteLength);
      grown.set(region.bytes);
      region.bytes = grown;
    },
  };
  if (as === 'memory') return Object.assign(region, { memory: () => region.bytes });
  return region;
}
