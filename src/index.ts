export { FerryError, type FerryErrorCode, ferryErrorCodes } from './errors.js';
export { type BufferGuest, type BufferGuestOptions, bufferGuest } from './guests/buffer.js';
export { copyOf } from './guests/copied.js';
export { type FileGuest, type FileGuestOptions, fileGuest } from './guests/file.js';
export {
  type FileDestination,
  type FileDestinationOptions,
  fileDestination,
} from './guests/file-destination.js';
export type { Guest, GuestIdentity } from './guests/guest.js';
export { type MemorySource, memoryRegion } from './guests/memory-region.js';
export type { OlderPages } from './guests/older-image.js';
export type { DirtyBitmap } from './memory/bitmap.js';
export { type MarksLayout, MarksTracker, RegionMarks } from './memory/marks.js';
export type { Region } from './memory/region.js';
export { CompareTracker, HashTracker } from './memory/scan-trackers.js';
export type { DirtyTracker } from './memory/tracker.js';
export { type ByteBudget, sharedBudget } from './migration/byte-budget.js';
export type { Arrival } from './migration/destination.js';
export type {
  ByKind,
  Downtime,
  MigrationEvent,
  MigrationReport,
  SourcePhase,
} from './migration/events.js';
export type { MigrationLease } from './migration/lease-options.js';
export {
  type IncomingOffer,
  type ListenAddress,
  type ListenEvent,
  type Listener,
  type ListenOptions,
  listen,
} from './migration/listen.js';
export {
  type MigrateAddress,
  type MigrateTarget,
  type Migration,
  migrate,
} from './migration/migrate.js';
export type { MigrateOptions } from './migration/options.js';
export { type PredictOptions, predict } from './migration/predict.js';
export type {
  AssumedLink,
  LinkBasis,
  Outlook,
  Prospect,
  RoundOutlook,
} from './migration/prospect.js';
export { newToken, type TrustOptions } from './migration/trust.js';
export type { Certificates } from './transport/index.js';
