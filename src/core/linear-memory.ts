/** Anything with a buffer that may be replaced when it grows: a WebAssembly.Memory fits. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
}

/** Whether other threads can see `memory`. */
export function isShared(memory: LinearMemory): boolean {
  // Where a page is not cross-origin isolated, browsers hide SharedArrayBuffer.
  return typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
}
