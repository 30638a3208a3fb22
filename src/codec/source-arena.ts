import { Arena, maxArenaBytes } from '../core/arena.js';
import { FerryError } from '../errors.js';
import { areaClass } from '../memory/area-pool.js';
import { PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import { splitShadow } from '../memory/shadow-split.js';
import { SourceRegion } from '../memory/source-region.js';
import type { CaptureOptions } from './capture-options.js';
import { WINDOW_PAGES } from './capture-window.js';
import { PatchIndex } from './patch-index.js';

/** Set aside for regions that appear later. Untouched arena memory costs address space only. */
const reserveBytes = 64 << 20;

/** The index for patches is laid out for what there is to be found now, but for no less than 16 MiB. */
const leastIndexedPages = 4096;

type ArenaNeeds = Pick<CaptureOptions, 'shadowBytes' | 'patches' | 'shared'>;

/**
 * An arena with room for `fixedBytes`, for what every region needs at its maximum, and for as much of the shadow budget as is left then;
 * and how many shadow pages each region gets. With `patches` there is room for their index, for as many pages as it says; none where no
 * shadow is left. ERR_NO_CAPACITY if the regions alone are too large.
 */
export function planSourceArena(
  regions: readonly Region[],
  fixedBytes: number,
  { shadowBytes, patches = false, shared = false }: ArenaNeeds,
): { arena: Arena; shadowPages: number[]; shadowPagesLeft: number; indexedPages: number } {
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
  const indexBytes = (pages: number) =>
    patches && pages > 0 ? PatchIndex.byteLengthFor(pages, maxArenaBytes) : 0;
  let budgetPages = Math.floor(Math.min(shadowBytes, room) / PAGE_BYTES);
  while (budgetPages > 0 && budgetPages * PAGE_BYTES + indexBytes(budgetPages) > room) {
    budgetPages = Math.floor(budgetPages * 0.9);
  }
  const presentPages = needs.reduce((sum, { pageCount }) => sum + pageCount, 0);
  const indexedPages = patches
    ? Math.min(budgetPages, Math.max(leastIndexedPages, presentPages))
    : 0;
  const shadowPages = splitShadow(needs, budgetPages, WINDOW_PAGES);
  const taken = shadowPages.reduce((sum, pages) => sum + pages, 0);
  const shadowRoom = budgetPages * PAGE_BYTES + (budgetPages === 0 ? 0 : rounding);
  const arena = new Arena(
    fixedBytes + areaBytes + reserveBytes + shadowRoom + indexBytes(indexedPages),
    { shared },
  );
  return { arena, shadowPages, shadowPagesLeft: budgetPages - taken, indexedPages };
}
