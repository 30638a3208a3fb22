/** Like a WebAssembly.Memory: it grows by pages of 64 KiB, and its buffer is then another one. */
export interface GrowableMemory {
  readonly buffer: ArrayBufferLike;
  /** Adds `delta` pages of 65536 bytes. */
  grow(delta: number): number;
}

/** What can be a buffer guest's memory. */
export type BufferMemory = ArrayBufferLike | Uint8Array | GrowableMemory;

/** A resizable ArrayBuffer or growable SharedArrayBuffer, which the standard library of this TypeScript target does not know yet. */
interface ResizableBuffer {
  readonly byteLength: number;
  readonly maxByteLength?: number;
  resize?(byteLength: number): void;
  grow?(byteLength: number): void;
}

const wasmPageBytes = 65536;

/** One way to look at a `BufferMemory` and to grow it. */
export interface GrowableBytes {
  /** The present bytes; read anew after growth. */
  bytes(): Uint8Array;
  readonly shared: boolean;
  /** Absent where it cannot grow. */
  readonly grow?: (byteLength: number) => void;
  /** The most it can grow to by itself; undefined where nobody knows (a WebAssembly.Memory keeps its maximum to itself). */
  readonly limit: number | undefined;
}

function isBuffer(memory: BufferMemory): memory is ArrayBufferLike {
  return memory instanceof ArrayBuffer || memory instanceof SharedArrayBuffer;
}

function isShared(buffer: ArrayBufferLike): boolean {
  return buffer instanceof SharedArrayBuffer;
}

function ofBuffer(buffer: ArrayBufferLike): GrowableBytes {
  const resizable: ResizableBuffer = buffer;
  const limit = resizable.maxByteLength ?? buffer.byteLength;
  const fixed = { bytes: () => new Uint8Array(buffer), shared: isShared(buffer), limit };
  if (limit === buffer.byteLength) return fixed;
  return {
    ...fixed,
    grow(byteLength) {
      if (resizable.resize !== undefined) resizable.resize(byteLength);
      else resizable.grow?.(byteLength);
    },
  };
}

/** The bytes of `memory`, whatever kind it is. TypeError for anything else. */
export function growableBytes(memory: BufferMemory): GrowableBytes {
  if (isBuffer(memory)) return ofBuffer(memory);
  if (memory instanceof Uint8Array) {
    return { bytes: () => memory, shared: isShared(memory.buffer), limit: memory.byteLength };
  }
  if (!isBuffer(memory.buffer)) {
    throw new TypeError('memory must be an ArrayBuffer, a Uint8Array or like a WebAssembly.Memory');
  }
  return {
    bytes: () => new Uint8Array(memory.buffer),
    shared: isShared(memory.buffer),
    limit: undefined,
    grow(byteLength) {
      const missing = byteLength - memory.buffer.byteLength;
      if (missing % wasmPageBytes !== 0) {
        throw new RangeError(`a WebAssembly memory cannot be ${byteLength} bytes long`);
      }
      memory.grow(missing / wasmPageBytes);
    },
  };
}
