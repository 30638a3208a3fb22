import type { Catalog } from './catalog.js';
import type { StoreContext } from './context.js';
import { makeManifestParts, optional } from './manifest.js';
import { LEAF_PAGES, regionRoot, snapshotRoot } from './merkle.js';
import type { ObjectReader } from './object-reader.js';
import type { PageMap } from './page-map.js';
import { idsAt, placesOf } from './page-space.js';
import { ordinalOf, packOf } from './places.js';
import { publish } from './publish.js';
import type { PlacedRegion } from './region-places.js';
import { STORE_VERSION } from './sealed.js';
import type { FinalState, Manifest, SnapshotInfo } from './types.js';

/** A snapshot whose pages are all in finished packs. */
export interface WholeSnapshot {
  readonly name: string;
  readonly guest: Manifest['guest'];
  readonly regions: readonly PlacedRegion[];
  /** Final, by region. */
  readonly lengths: readonly number[];
  readonly parent: Manifest | undefined;
  readonly map: PageMap;
  readonly catalog: Catalog;
  readonly objects: ObjectReader;
  /** Of its packs. */
  readonly storedBytes: number;
}

/** Final lengths of the regions. RangeError for what was not planned. */
export function finalLengths(regions: readonly PlacedRegion[], final: FinalState): number[] {
  return regions.map(({ plan }, region) => {
    const length = final.byteLengths?.[region] ?? plan.byteLength;
    const most = Math.max(plan.byteLength, plan.maxByteLength ?? 0);
    if (!Number.isSafeInteger(length) || length < 0 || length > most) {
      throw new RangeError(`region ${plan.name} cannot have ${length} bytes`);
    }
    return length;
  });
}

/** Writes its page table and then its manifest. ERR_BUSY: a prune took away what it refers to. */
export async function finishSnapshot(
  context: StoreContext,
  snapshot: WholeSnapshot,
  final: FinalState,
): Promise<SnapshotInfo & { readonly manifest: Manifest }> {
  const { catalog, map, regions, lengths, parent, name, guest } = snapshot;
  const needs = new Set<number>();
  const roots: string[] = [];
  let pages = 0;
  for (const [region, placed] of regions.entries()) {
    const root = await rootOf(snapshot, placed, lengths[region] as number, needs);
    roots.push(root.root);
    pages += root.pages;
  }
  const table = await map.write(catalog, needs);
  const { files, path, sealer, signWith } = context;
  await files.syncFolder(catalog.folder);
  await files.syncFolder(`${path}/tables`);
  const entries = regions.map(({ plan, firstPage, pageCount }, region) => ({
    name: plan.name,
    role: plan.role,
    byteLength: lengths[region] as number,
    firstPage,
    pageCount,
    root: roots[region] as string,
    ...optional('metadata', final.regionMetadata?.[region] ?? plan.metadata),
  }));
  const manifestAs = (counter: number): Manifest => ({
    version: STORE_VERSION,
    store: sealer.storeId,
    counter,
    name,
    time: Date.now(),
    clean: final.clean ?? true,
    ...optional('guest', guest),
    ...optional('metadata', final.metadata),
    regions: entries,
    ...(parent === undefined ? {} : { parent: { counter: parent.counter, root: parent.root } }),
    root: snapshotRoot(entries),
    table: table.id,
    pages,
    storedBytes: snapshot.storedBytes + table.storedBytes,
  });
  const needed = {
    packs: new Set([...needs].map((pack) => catalog.id(pack))),
    tables: new Set([table.id, ...table.tables]),
  };
  let manifest: Manifest | undefined;
  const { counter } = await publish(context, needed, (next) => {
    manifest = manifestAs(next);
    return makeManifestParts(manifest, signWith);
  });
  return { counter, manifest: manifest as Manifest, signed: context.verifyWith !== undefined };
}

/** The root of a region and its pages that are not zeros; adds the packs it needs to `needs`. */
async function rootOf(
  { map, catalog, objects }: WholeSnapshot,
  placed: PlacedRegion,
  byteLength: number,
  needs: Set<number>,
): Promise<{ root: string; pages: number }> {
  let pages = 0;
  const places = new Uint32Array(LEAF_PAGES);
  const root = await regionRoot(byteLength, async (first, count, into) => {
    await placesOf(map, placed.firstPage + first, count, places);
    await idsAt(catalog, places, count, new Uint32Array(into.buffer, 0, 4 * count));
    let last = 0;
    for (let page = 0; page < count; page++) {
      const place = places[page] as number;
      if (place === 0) continue;
      pages++;
      const pack = packOf(place);
      if (pack !== last) {
        needs.add(pack);
        last = pack;
      }
      const index = catalog.peek(pack) ?? (await catalog.index(pack));
      if (!index.hasDeltas || index.depth(ordinalOf(place)) === 0) continue;
      for (const part of await objects.chain(place)) needs.add(packOf(part));
    }
  });
  return { root, pages };
}
