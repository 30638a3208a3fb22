import { FerryError } from '../errors.js';
import { MAX_PAGES } from './manifest.js';
import { pagesOf } from './merkle.js';
import type { Manifest, RegionPlan } from './types.js';

/** A region of a snapshot under construction. */
export interface PlacedRegion {
  readonly plan: RegionPlan;
  /** Pages it may have. */
  readonly pages: number;
  /** Its pages in the page table, and how many are kept for it there. */
  readonly firstPage: number;
  readonly pageCount: number;
  /** Where the parent has the region of that name and role. */
  readonly parent:
    | { readonly index: number; readonly firstPage: number; readonly pages: number }
    | undefined;
}

/**
 * Gives each region its pages in the page table: those it has in the parent's where they suffice, so that segments can be shared, else new ones behind all
 * others, with some room to grow.
 */
export function placeRegions(plans: readonly RegionPlan[], parent?: Manifest): PlacedRegion[] {
  const known = new Map(
    parent?.regions.map((region, index) => [`${region.role}/${region.name}`, { ...region, index }]),
  );
  const wanted = plans.map((plan) => {
    const before = known.get(`${plan.role}/${plan.name}`);
    return { plan, before, pages: pagesOf(Math.max(plan.byteLength, plan.maxByteLength ?? 0)) };
  });
  const place = (keep: boolean, room: boolean): PlacedRegion[] => {
    let next = 0;
    for (const { before, pages } of wanted) {
      if (keep && before !== undefined && before.pageCount >= pages) {
        next = Math.max(next, before.firstPage + before.pageCount);
      }
    }
    return wanted.map(({ plan, before, pages }) => {
      const known = before && {
        index: before.index,
        firstPage: before.firstPage,
        pages: pagesOf(before.byteLength),
      };
      if (keep && before !== undefined && before.pageCount >= pages) {
        const { firstPage, pageCount } = before;
        return { plan, pages, firstPage, pageCount, parent: known };
      }
      const pageCount = room ? pages + Math.floor(pages / 4) + 16 : pages;
      const firstPage = next;
      next += pageCount;
      return { plan, pages, firstPage, pageCount, parent: known };
    });
  };
  for (const [keep, room] of [
    [true, true],
    [true, false],
    [false, false],
  ] as const) {
    const placed = place(keep, room);
    if (placed.every(({ firstPage, pageCount }) => firstPage + pageCount <= MAX_PAGES)) {
      return placed;
    }
  }
  throw new FerryError('ERR_IMAGE_TOO_LARGE', 'a snapshot has 2^32 pages at most');
}
