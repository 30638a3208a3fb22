export { FerryError, type FerryErrorCode, ferryErrorCodes } from './errors.js';
export { type BufferGuest, type BufferGuestOptions, bufferGuest } from './guests/buffer.js';
export type { Guest, GuestIdentity } from './guests/guest.js';
export type { DirtyBitmap } from './memory/bitmap.js';
export type { Region } from './memory/region.js';
export type { DirtyTracker } from './memory/tracker.js';
export type { Arrival } from './migration/destination.js';
export type { ByKind, Downtime, MigrationEvent, MigrationReport } from './migration/events.js';
export {
  type IncomingOffer,
  type Listener,
  type ListenEvent,
  type ListenOptions,
  listen,
} from './migration/listen.js';
export { type Migration, type MigrateTarget, migrate } from './migration/migrate.js';
export type { MigrateOptions } from './migration/options.js';
