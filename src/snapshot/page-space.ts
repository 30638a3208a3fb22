import type { Catalog } from './catalog.js';
import type { PackIndex } from './pack-index.js';
import { ordinalOf, packOf } from './places.js';
import { corrupt } from './store-error.js';
import { SEGMENT_PAGES } from './table-segment.js';

/** What knows the places of pages by segments: a page table, or one under construction. */
export interface SegmentSource {
  segment(number: number): Promise<Uint32Array>;
}

/** Puts the places of pages first..first+count at the start of `into`. */
export async function placesOf(
  source: SegmentSource,
  first: number,
  count: number,
  into: Uint32Array,
): Promise<void> {
  for (let done = 0; done < count; ) {
    const page = first + done;
    const number = Math.floor(page / SEGMENT_PAGES);
    const from = page % SEGMENT_PAGES;
    const length = Math.min(count - done, SEGMENT_PAGES - from);
    const places = await source.segment(number);
    into.set(places.subarray(from, from + length), done);
    done += length;
  }
}

/** Puts the ids of the objects at `places` at the start of `into`, 4 words each, zeros for place 0. */
export async function idsAt(
  catalog: Catalog,
  places: Uint32Array,
  count: number,
  into: Uint32Array,
): Promise<void> {
  let number = 0;
  let index: PackIndex | undefined;
  for (let page = 0; page < count; page++) {
    const place = places[page] as number;
    const to = 4 * page;
    if (place === 0) {
      into.fill(0, to, to + 4);
      continue;
    }
    if (index === undefined || packOf(place) !== number) {
      number = packOf(place);
      index = catalog.peek(number) ?? (await catalog.index(number));
    }
    const from = 4 * ordinalOf(place);
    if (from >= 4 * index.count) {
      throw corrupt(`packs/${index.pack}.index has no object ${ordinalOf(place)}`);
    }
    const { words } = index;
    into[to] = words[from] as number;
    into[to + 1] = words[from + 1] as number;
    into[to + 2] = words[from + 2] as number;
    into[to + 3] = words[from + 3] as number;
  }
}
