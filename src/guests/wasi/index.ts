export type { MonotonicNow } from './clock.js';
export { type WasiGlue, type WasiGlueOptions, wasiGlue } from './glue.js';
export type {
  ShimDirectory,
  ShimFile,
  ShimInode,
  ShimOpenDirectory,
  ShimOpenFile,
  ShimPreopen,
  WasiCall,
  WasiHost,
  WasiShim,
} from './shim.js';
