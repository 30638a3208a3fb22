// What the kernels export: src/core/kernel-exports.ts documents each.
export {
  bitmapClearRange,
  bitmapCount,
  bitmapFetchClear,
  bitmapNextRun,
  bitmapRunLength,
  bitmapSet,
  bitmapSetRange,
  bitmapTest,
} from './bitmap';
export { scanPages } from './scan';
export { xbzrleCheck, xbzrleDecode, xbzrleEncode } from './xbzrle';
export { hashPages, xxh3 } from './xxh3';
export { xxh64 } from './xxh64';
export { isZero } from './zero';
