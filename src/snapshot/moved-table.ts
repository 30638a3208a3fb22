import type { Catalog } from './catalog.js';
import { ObjectReader } from './object-reader.js';
import { PageMap } from './page-map.js';
import { PageTable } from './page-table.js';
import { ordinalOf, packOf } from './places.js';
import type { Repacker } from './repack.js';
import { SEGMENT_PAGES } from './table-segment.js';
import type { Manifest } from './types.js';

/** A page table, and the ids of all packs and tables that it needs, itself among them. */
export interface MovedTable {
  readonly id: string;
  readonly packs: Set<string>;
  readonly tables: Set<string>;
}

/**
 * Writes the page table of `manifest` anew if anything that it needs will not stay, on top of the table `previous`. `surviving`: ids of the tables that stay.
 * Undefined: it stays.
 */
export async function movedTable(
  catalog: Catalog,
  repacker: Repacker,
  manifest: Manifest,
  surviving: ReadonlySet<string>,
  previous: string | undefined,
): Promise<MovedTable | undefined> {
  const objects = new ObjectReader(catalog);
  const old = await PageTable.open(catalog, manifest.table);
  const parent = previous === undefined ? undefined : await PageTable.open(catalog, previous);
  try {
    const needs = new Set<number>();
    const map = new PageMap(parent);
    let isMoved = old.directory.tables.some((table) => !surviving.has(table));
    for (const number of old.segments) {
      const before = await old.segment(number);
      const places = await map.open(number);
      for (let page = 0; page < SEGMENT_PAGES; page++) {
        const place = before[page] as number;
        if (place === 0) continue;
        const now = await repacker.place(place);
        if (now !== place) isMoved = true;
        places[page] = now;
        const pack = packOf(now);
        needs.add(pack);
        const index = catalog.peek(pack) ?? (await catalog.index(pack));
        if (!index.hasDeltas || index.depth(ordinalOf(now)) === 0) continue;
        for (const part of await objects.chain(now)) needs.add(packOf(part));
      }
    }
    const names = new Set([...needs].map((pack) => catalog.id(pack)));
    isMoved ||= old.directory.packs.some((pack) => !names.has(pack));
    if (!isMoved) return undefined;
    const { id, tables } = await map.write(catalog, needs);
    return { id, packs: names, tables: new Set([id, ...tables]) };
  } finally {
    await parent?.close();
    await old.close();
  }
}
