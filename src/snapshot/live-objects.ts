import type { Catalog } from './catalog.js';
import { pagesOf } from './merkle.js';
import { placesOf } from './page-space.js';
import { withTable } from './page-table.js';
import type { Manifest } from './types.js';

const chunkPages = 512;

/** Tells `visit` of the place of each page of a snapshot that is not zeros. */
export async function eachLive(
  catalog: Catalog,
  { regions, table }: Manifest,
  visit: (place: number) => void,
): Promise<void> {
  await withTable(catalog, table, async (open) => {
    const places = new Uint32Array(chunkPages);
    for (const { firstPage, byteLength } of regions) {
      const pages = pagesOf(byteLength);
      for (let page = 0; page < pages; page += chunkPages) {
        const count = Math.min(chunkPages, pages - page);
        await placesOf(open, firstPage + page, count, places);
        for (let at = 0; at < count; at++) {
          if (places[at] !== 0) visit(places[at] as number);
        }
      }
    }
  });
}
