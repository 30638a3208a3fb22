/** Anything with a buffer that may be replaced when it grows: a WebAssembly.Memory fits. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
}
