export type { Generation } from './generation.js';
export type { GlueState, OfferedGlueRegion } from './glue.js';
export {
  type ThreadBarrier,
  type WasmGuest,
  type WasmGuestOptions,
  wasmGuest,
} from './wasm-guest.js';
