import type { DirtyBitmap } from './bitmap.js';
import { pageCountOf } from './pages.js';
import type { Region } from './region.js';
import type { DirtyTracker } from './tracker.js';

/** Names every page of the region each time. */
function takeEverything(region: Region, into: DirtyBitmap): void {
  into.setRange(0, Math.min(pageCountOf(region.byteLength), into.bits));
}

/** Needs nothing from the program: capture hashes every page and compares with the hash it kept, 8 bytes a page. */
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
