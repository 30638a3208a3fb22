import { asFerryError, type FerryError } from '../errors.js';
import { Catalog } from './catalog.js';
import { checkAborted } from './check-aborted.js';
import type { StoreContext } from './context.js';
import { pagesOf } from './merkle.js';
import { ObjectReader } from './object-reader.js';
import { PageIds } from './page-id.js';
import { placesOf } from './page-space.js';
import { PageTable } from './page-table.js';
import { PlaceSet } from './place-set.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import { chooseRevisions, readRevisions } from './revisions.js';
import { StoreReader } from './snapshot-reader.js';
import { corrupt, fileOf } from './store-error.js';
import { SEGMENT_PAGES } from './table-segment.js';
import {
  type Damage,
  type Manifest,
  STORE_PAGE_BYTES,
  type VerifyOptions,
  type VerifyReport,
} from './types.js';

const chunkPages = 512;
const idWords = 4;
/** Of so many objects it is remembered why they cannot be read. */
const maxErrors = 10_000;

/** Reads every page of every snapshot once, however many share it, and says what cannot be read, and whose it is. */
export async function verifyStore(
  context: StoreContext,
  { snapshots, onProgress, signal }: VerifyOptions,
): Promise<VerifyReport> {
  const { files, path, sealer } = context;
  // What was read before is read again.
  const catalog = new Catalog(files, path, sealer);
  const objects = new ObjectReader(catalog);
  const wanted = new PlaceSet();
  const bad = new PlaceSet();
  const errors = new Map<number, FerryError>();
  const damaged: Damage[] = [];
  const readable: Manifest[] = [];
  try {
    for (const { counter, name, read, error } of await chooseRevisions(
      context,
      await readRevisions(context),
    )) {
      if (snapshots !== undefined && !snapshots.includes(counter)) continue;
      checkAborted(signal);
      if (read === undefined) {
        const file = `snapshots/${name}`;
        damaged.push({ counter, error: asFerryError(error, 'ERR_STORE_CORRUPT'), file });
        continue;
      }
      const damage = await eachPlace(catalog, read.manifest, (place) => wanted.add(place));
      if (damage === undefined) readable.push(read.manifest);
      else damaged.push(damage);
    }
    let done = 0;
    for (const number of wanted.packs()) {
      done = await verifyPack(number, done);
    }
    for (const manifest of readable) {
      checkAborted(signal);
      const damage = await firstDamage(manifest);
      if (damage !== undefined) damaged.push(damage);
    }
  } finally {
    await catalog.close();
  }
  damaged.sort((one, other) => one.counter - other.counter);
  const lost = new Set(damaged.map(({ counter }) => counter));
  const good = readable.map(({ counter }) => counter).filter((counter) => !lost.has(counter));
  return { good, damaged, pages: wanted.size };

  /** Reads each wanted object of a pack; returns how many are done by then. */
  async function verifyPack(number: number, before: number): Promise<number> {
    const ids = new PageIds(sealer.derive('page ids') ?? new Uint8Array(0));
    const page = new Uint8Array(STORE_PAGE_BYTES);
    let done = before;
    for (const ordinal of wanted.ordinals(number)) {
      if (done % chunkPages === 0) {
        checkAborted(signal);
        onProgress?.(done, wanted.size);
      }
      done++;
      const place = placeOf(number, ordinal);
      try {
        await objects.read(place, page);
        const id = ids.of(page);
        const { words } = await catalog.index(number);
        const said = new Uint8Array(
          words.buffer,
          words.byteOffset + 4 * idWords * ordinal,
          id.length,
        );
        if (Buffer.compare(id, said) === 0) continue;
        throw corrupt(`object ${ordinal} of packs/${catalog.id(number)}.pack has another id`);
      } catch (error) {
        bad.add(place);
        if (errors.size < maxErrors) errors.set(place, asFerryError(error, 'ERR_IO'));
      }
    }
    onProgress?.(done, wanted.size);
    return done;
  }

  /** The first page of a snapshot that could not be read, or the first region that is not what its root says. */
  async function firstDamage(manifest: Manifest): Promise<Damage | undefined> {
    let found: { page: number; place: number; region: string } | undefined;
    const damage = await eachPlace(catalog, manifest, (place, page, region) => {
      if (found === undefined && bad.has(place)) found = { page, place, region };
    });
    if (damage !== undefined) return damage;
    const { counter } = manifest;
    if (found !== undefined) {
      const { page, place, region } = found;
      const number = packOf(place);
      const why = `object ${ordinalOf(place)} of packs/${catalog.id(number)}.pack is damaged`;
      const error = errors.get(place) ?? corrupt(why);
      const file = fileOf(error) ?? `packs/${catalog.id(number)}.pack`;
      return { counter, error, region, page, file };
    }
    const table = await PageTable.open(catalog, manifest.table);
    try {
      const reader = new StoreReader(catalog, manifest, table);
      for (const region of manifest.regions) {
        try {
          await reader.proveRegion(region);
        } catch (error) {
          const file = `tables/${manifest.table}.table`;
          const why = asFerryError(error, 'ERR_STORE_CORRUPT');
          return { counter, error: why, region: region.name, page: 0, file };
        }
      }
    } finally {
      await table.close();
    }
    return undefined;
  }
}

/** Tells `visit` of each page that is not zeros. Returns what is wrong with the page table, if anything. */
async function eachPlace(
  catalog: Catalog,
  { counter, regions, table: id }: Manifest,
  visit: (place: number, page: number, region: string) => void,
): Promise<Damage | undefined> {
  let table: PageTable;
  try {
    table = await PageTable.open(catalog, id);
  } catch (error) {
    const file = `tables/${id}.table`;
    const why = asFerryError(error, 'ERR_STORE_CORRUPT');
    const region = regions.find(({ byteLength }) => byteLength > 0)?.name;
    return { counter, error: why, ...(region !== undefined && { region, page: 0 }), file };
  }
  try {
    const places = new Uint32Array(chunkPages);
    for (const { name, firstPage, byteLength } of regions) {
      const pages = pagesOf(byteLength);
      for (let page = 0; page < pages; page += chunkPages) {
        const count = Math.min(chunkPages, pages - page);
        try {
          await placesOf(table, firstPage + page, count, places);
        } catch (error) {
          const owner = table.owner(Math.floor((firstPage + page) / SEGMENT_PAGES)) ?? id;
          const why = asFerryError(error, 'ERR_STORE_CORRUPT');
          return { counter, error: why, region: name, page, file: `tables/${owner}.table` };
        }
        for (let at = 0; at < count; at++) {
          const place = places[at] as number;
          if (place !== 0) visit(place, page + at, name);
        }
      }
    }
    return undefined;
  } finally {
    await table.close();
  }
}
