import { Arena, maxArenaBytes } from '../core/arena.js';
import { FerryError } from '../errors.js';
import { areaClass } from '../memory/area-pool.js';
import { PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import { splitShadow } from '../memory/shadow-split.js';
import { SourceRegion } from '../memory/source-region.js';
import { WINDOW_PAGES } from './capture-window.js';

/** Set aside for regions that appear later. Untouched arena memory costs address space only. */
const reserveBytes = 64 << 20;

/**
 * An arena with room for `fixedBytes`, for what every region needs at its maximum, and for as much of the shadow budget as is left then;
 * and how many shadow pages each region gets. ERR_NO_CAPACITY if the regions alone are too large.
 */
export function planSourceArena(
  regions: readonly Region[],
  fixedBytes: number,
  shadowBytes: number,
): { arena: Arena; shadowPages: number[]; shadowPagesLeft: number } {
  const needs = regions.map((region) => ({
    pageCount: pageCountOf(region.byteLength),
    capacityPages: pageCountOf(region.maxByteLength),
  }));
  const areaBytes = needs.reduce(
    (sum, { capacityPages }) => sum + areaClass(SourceRegion.byteLength(capacityPages)),
    0,
  );
  // Each shadow is an area of its own and may be rounded up.
  const rounding = regions.length * (1 << 20);
  const room = maxArenaBytes - fixedBytes - areaBytes - reserveBytes - rounding;
  if (room < 0) {
    throw new FerryError(
      'ERR_NO_CAPACITY',
      `${regions.length} regions need ${areaBytes} bytes of bookkeeping: an arena holds ${maxArenaBytes}`,
    );
  }
  const budgetPages = Math.floor(Math.min(shadowBytes, room) / PAGE_BYTES);
  const shadowPages = splitShadow(needs, budgetPages, WINDOW_PAGES);
  const taken = shadowPages.reduce((sum, pages) => sum + pages, 0);
  const shadowRoom = budgetPages * PAGE_BYTES + (budgetPages === 0 ? 0 : rounding);
  const arena = new Arena(fixedBytes + areaBytes + reserveBytes + shadowRoom);
  return { arena, shadowPages, shadowPagesLeft: budgetPages - taken };
}
