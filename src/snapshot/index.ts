/** `pageferry/snapshot`: a store of snapshots that share their pages. Format: docs/snapshot-format.md. */
export { Checkpointer, type CheckpointerOptions } from './checkpointer.js';
export { compareSnapshots, type RegionDifference } from './compare-snapshots.js';
export { type OpenOptions, openStore } from './open-store.js';
export { type RestoredFiles, type RestoreFilesOptions, restoreFiles } from './restore-files.js';
export { forkGuests, type RestoreGuestOptions, restoreGuest } from './restore-guest.js';
export {
  type SnapshotFilesOptions,
  type SnapshotOfFiles,
  snapshotFiles,
} from './snapshot-files.js';
export {
  type OfferedSnapshot,
  type StoreDestination,
  type StoreDestinationOptions,
  storeDestination,
} from './store-destination.js';
export { realFiles, type StoreFile, type StoreFiles } from './store-files.js';
export * from './types.js';
