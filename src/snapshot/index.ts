/** `pageferry/snapshot`: a store of snapshots that share their pages. Format: docs/snapshot-format.md. */
export { BlockCodec } from './block-codec.js';
export { type OpenOptions, openStore } from './open-store.js';
export { realFiles, type StoreFile, type StoreFiles } from './store-files.js';
export * from './types.js';
