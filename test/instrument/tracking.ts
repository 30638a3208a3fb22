import { trackWrites, type WriteTracking } from '../../src/instrument/track-writes.js';
import type { WriteTarget } from '../../src/instrument/watched-buffers.js';

export type Span = readonly [byteOffset: number, byteLength: number];

export interface Tracked extends WriteTracking {
  /** What was told since this was last called. */
  take(): Span[];
}

/** Tracks a target, and keeps what is told. */
export function track(target: WriteTarget): Tracked {
  const told: Span[] = [];
  const tracking = trackWrites(target, (...span) => told.push(span));
  return { stop: () => tracking.stop(), take: () => told.splice(0) };
}
