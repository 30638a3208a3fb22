import type { Catalog } from './catalog.js';
import { ObjectReader } from './object-reader.js';
import { PlaceSet } from './place-set.js';
import { mustMove, sizeOf } from './repack.js';

/** So many packs of less than a quarter of what a pack may have are made one. */
const manySmallPacks = 8;

/** Packs of whose bytes more than `deadShare` is dead, or which are many and small; `packBytes` is what a pack may have. `live`: what pages refer to. */
export async function victimsOf(
  catalog: Catalog,
  live: PlaceSet,
  deadShare: number,
  packBytes: number,
): Promise<Set<number>> {
  const victims = new Set<number>();
  const objects = new ObjectReader(catalog);
  for (;;) {
    const staying = new PlaceSet();
    for (const pack of live.packs()) {
      if (victims.has(pack)) continue;
      const index = await catalog.index(pack);
      for (const ordinal of live.ordinals(pack)) {
        const place = ((pack << 16) | ordinal) >>> 0;
        if (index.depth(ordinal) > 0 && mustMove(await objects.chain(place), live, victims)) {
          continue;
        }
        staying.add(place);
      }
    }
    const before = victims.size;
    const small: number[] = [];
    for (const pack of live.packs()) {
      if (victims.has(pack)) continue;
      const { storedBytes, liveBytes } = await sizeOf(catalog, pack, staying);
      if (storedBytes - liveBytes > deadShare * storedBytes) victims.add(pack);
      else if (storedBytes < packBytes / 4) small.push(pack);
    }
    if (small.length >= manySmallPacks) for (const pack of small) victims.add(pack);
    if (victims.size === before) return victims;
  }
}
