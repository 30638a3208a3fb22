import { FerryError } from '../errors.js';

const wasmPageBytes = 65536;

/** Memory of so many WebAssembly pages, 65,536 zero bytes each, that never grows. ERR_NO_CAPACITY if the system has not got that much. */
export function allocateMemory(wasmPages: number, shared = false): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages, shared });
  } catch (cause) {
    throw new FerryError('ERR_NO_CAPACITY', `no memory for ${wasmPages * wasmPageBytes} bytes`, {
      cause,
    });
  }
}
