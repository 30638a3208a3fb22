// What the kernels export: src/core/kernel-exports.ts documents each.
export { apply } from './apply';
export { applyCheck } from './apply-check';
export {
  bitmapClearRange,
  bitmapCount,
  bitmapFetchClear,
  bitmapNextClear,
  bitmapNextSet,
  bitmapSet,
  bitmapSetRange,
  bitmapTest,
} from './bitmap';
export { capture } from './capture';
export { captureSeal } from './frame';
export { lz4Compress, lz4Decompress } from './lz4';
export { patchBuild } from './patch-build';
export { patchIndex } from './patch-index';
export { scanPages } from './scan';
export { xbzrleDecode, xbzrleEncode } from './xbzrle';
export { hashPages, xxh3 } from './xxh3';
export { xxh64 } from './xxh64';
export { isZero } from './zero';
