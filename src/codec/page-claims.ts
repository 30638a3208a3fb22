import type { SourceRegion } from '../memory/source-region.js';

/** Pages that are claimed together: as few as a call of the capture kernel is worth. */
const STRETCH_PAGES = 16;
const nobody = 0;

/**
 * Which channel may send which pages. A channel claims stretches of 16 pages as it comes to them, so that whoever has room sends what is next; what it
 * claimed stays its own, in order with what it sent, until it is freed.
 */
export class PageClaims {
  /** Of each region, by stretch, the channel and 1; 0: nobody's. */
  readonly #owners = new WeakMap<SourceRegion, Uint8Array>();

  /** The first page from `page` on that `channel` owns or may claim, if it is to be sent: `page` itself, or the first of a later stretch. */
  next(source: SourceRegion, channel: number, page: number): number {
    const owners = this.#of(source);
    let stretch = Math.floor(page / STRETCH_PAGES);
    if (isOpen(owners[stretch], channel)) return page;
    do stretch += 1;
    while (stretch < owners.length && !isOpen(owners[stretch], channel));
    return stretch * STRETCH_PAGES;
  }

  /** Claims for `channel` the stretches from `page` on that it may claim, so many that `most` pages are in them. Gives the page where they end. */
  claim(source: SourceRegion, channel: number, page: number, most: number): number {
    const owners = this.#of(source);
    const end = Math.min(owners.length, Math.ceil((page + most) / STRETCH_PAGES));
    let stretch = Math.floor(page / STRETCH_PAGES);
    for (; stretch < end && isOpen(owners[stretch], channel); stretch++) {
      owners[stretch] = channel + 1;
    }
    return stretch * STRETCH_PAGES;
  }

  /** What `channel` claimed in `sources`, or any channel, is nobody's again. */
  free(sources: readonly SourceRegion[], channel?: number): void {
    for (const source of sources) {
      const owners = this.#owners.get(source);
      if (channel === undefined) owners?.fill(nobody);
      else
        owners?.forEach((owner, at) => {
          if (owner === channel + 1) owners[at] = nobody;
        });
    }
  }

  #of(source: SourceRegion): Uint8Array {
    const known = this.#owners.get(source);
    if (known !== undefined) return known;
    const owners = new Uint8Array(Math.ceil(source.capacityPages / STRETCH_PAGES));
    this.#owners.set(source, owners);
    return owners;
  }
}

function isOpen(owner: number | undefined, channel: number): boolean {
  return owner === nobody || owner === channel + 1;
}
