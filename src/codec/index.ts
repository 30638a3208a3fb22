/** `pageferry/codec`: how pages are compared, hashed and encoded. Runs in browsers too. */
export { type BitRun, DirtyBitmap } from '../memory/bitmap.js';
export { PAGE_BYTES } from '../memory/pages.js';
export { PageHasher } from './page-hasher.js';
export { decodeXbzrle, encodeXbzrle } from './xbzrle.js';
