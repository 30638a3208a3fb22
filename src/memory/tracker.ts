import type { DirtyBitmap } from './bitmap.js';
import type { Region } from './region.js';

/**
 * Says which pages MAY have changed since it was last asked. A tracker that is `exact` promises that a page it
 * does not name has not changed (and is audited); one that is not names every page, and capture decides.
 */
export interface DirtyTracker {
  readonly exact: boolean;
  /**
   * How capture decides where the tracker is not exact: by the pages' hashes (the default; in place where the region is a
   * WebAssembly.Memory), or by comparing with the shadow as far as there is one.
   */
  readonly evidence?: 'hash' | 'shadow';
  /**
   * Of an exact tracker: true for a region that others may write than it watches (the JavaScript around a WebAssembly program). What they wrote is no
   * ERR_MISSED_WRITE: all pages of the region are compared in the second round, and once more while the guest is paused. Absent: for no region.
   */
  unseen?(region: Region): boolean;
  /** From now on writes are noted. All pages count as unknown: the first pass takes the whole region anyway. */
  start(): void;
  /** Ors the pages of `region` noted since the last call into `into`, and forgets them. */
  take(region: Region, into: DirtyBitmap): void;
  stop(): void;
}
