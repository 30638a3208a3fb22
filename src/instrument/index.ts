/** `pageferry/instrument`: a write log for WebAssembly programs. Runs in browsers too. */
export { type Instrumented, type InstrumentOptions, instrument } from './instrument.js';
export {
  type GlueReport,
  type InstrumentedGlue,
  type InstrumentGlueOptions,
  instrumentGlue,
  type UnseenWriter,
} from './instrument-glue.js';
export {
  type GlobalTypeName,
  type LayoutDrop,
  type LayoutGlobal,
  type LayoutTable,
  readLayout,
  type TableTypeName,
  type WriteLogLayout,
} from './layout.js';
export { hasMultiMemory, type MapPlace } from './place.js';
export type { InstrumentReport, Untransferable } from './report.js';
export { trackWrites, type WriteTracking } from './track-writes.js';
export type { OnWrite, WriteTarget } from './watched-buffers.js';
