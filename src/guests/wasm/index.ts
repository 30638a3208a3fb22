export type { Generation } from './generation.js';
export type { GlueState, OfferedGlueRegion } from './glue.js';
export type { ThreadBarrier } from './thread-barrier.js';
export {
  type WasmGuest,
  type WasmGuestOptions,
  wasmGuest,
} from './wasm-guest.js';
