/** What a region asks of the shadow, in pages. */
export interface ShadowNeed {
  /** What it has now. */
  readonly pageCount: number;
  /** What it may grow to. */
  readonly capacityPages: number;
}

/**
 * Splits a budget of shadow pages over regions: first over the pages they have, then what is left over the room they may grow into,
 * each in proportion. A share that does not cover the whole region is a multiple of `granule`, so that no capture window has half a
 * shadow. Returns pages per region, at most its capacity.
 */
export function splitShadow(
  needs: readonly ShadowNeed[],
  budgetPages: number,
  granule: number,
): number[] {
  const present = needs.reduce((sum, need) => sum + need.pageCount, 0);
  const growth = needs.reduce((sum, need) => sum + need.capacityPages - need.pageCount, 0);
  const left = Math.max(0, budgetPages - present);
  return needs.map(({ pageCount, capacityPages }) => {
    const forPresent = present > budgetPages ? (pageCount / present) * budgetPages : pageCount;
    const room = capacityPages - pageCount;
    const forGrowth = growth > left ? (room / growth) * left : room;
    const share = Math.floor(forPresent + forGrowth);
    return share >= capacityPages ? capacityPages : share - (share % granule);
  });
}
