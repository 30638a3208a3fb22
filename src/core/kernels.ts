import type { KernelExports } from './kernel-exports.js';
import { isShared, type LinearMemory } from './linear-memory.js';
import { compileOnce } from './wasm-module.js';

/**
 * The kernels over `memory`, which must be a WebAssembly.Memory (TypeError otherwise). Over shared memory they are those whose bitmap
 * operations are atomic. An instance has no state in memory: each thread makes its own over the same shared memory.
 */
export function instantiateKernels(memory: LinearMemory): KernelExports {
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError('not a WebAssembly.Memory');
  const module = compileOnce(isShared(memory) ? 'sharedKernels' : 'kernels');
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports as WebAssembly.Exports & KernelExports;
}
