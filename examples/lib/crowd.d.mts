import type { ThreadBarrier } from '../../src/guests/wasm/wasm-guest.js';

export const memoryLimits: WebAssembly.MemoryDescriptor;
export function compileCrowd(): Promise<Uint8Array<ArrayBuffer>>;
export function startThreads(options: {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly count: number;
  readonly mapName?: string | undefined;
}): Promise<{ readonly barrier: ThreadBarrier; end(): Promise<unknown> }>;
