import type { DirtyBitmap } from './bitmap.js';
import { pageCountOf } from './pages.js';
import type { Region } from './region.js';
import type { DirtyTracker } from './tracker.js';

/** Names every page of the region each time. */
function takeEverything(region: Region, into: DirtyBitmap): void {
  into.setRange(0, Math.min(pageCountOf(region.byteLength), into.bits));
}

/**
 * Needs nothing from the program: pages of a WebAssembly.Memory are hashed where they lie and compared with the hash that was kept, 8
 * bytes a page. Other memory has to be copied to be looked at, and is then treated as by `CompareTracker`.
 */
export class HashTracker implements DirtyTracker {
  readonly exact = false;
  readonly evidence = 'hash';

  start(): void {}

  take(region: Region, into: DirtyBitmap): void {
    takeEverything(region, into);
  }

  stop(): void {}
}

/** Needs nothing from the program: capture compares every page with the shadow, and hashes where there is none. */
export class CompareTracker implements DirtyTracker {
  readonly exact = false;
  readonly evidence = 'shadow';

  start(): void {}

  take(region: Region, into: DirtyBitmap): void {
    takeEverything(region, into);
  }

  stop(): void {}
}
