import type { Region } from './region.js';

/**
 * Consecutive pages of a region, a region of its own to whoever captures it: with an id of its own, and page 0 where it begins. Frames name
 * its pages as those of the region they are `partOf`, with which its `linearMemory` begins. Two pieces that touch must not be captured by one engine.
 */
export interface RegionPiece extends Region {
  readonly partOf?: { readonly region: number; readonly firstPage: number };
}
