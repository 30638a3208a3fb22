import type { Catalog } from './catalog.js';
import { idPrefixOf } from './context.js';
import { LEAF_PAGES, pagesOf, regionRoot } from './merkle.js';
import { ObjectReader } from './object-reader.js';
import { PageIds } from './page-id.js';
import { idsAt, placesOf } from './page-space.js';
import type { PageTable } from './page-table.js';
import { ordinalOf, packOf } from './places.js';
import { corrupt } from './store-error.js';
import { SEGMENT_PAGES } from './table-segment.js';
import {
  type Manifest,
  type ManifestRegion,
  PAGE_ID_BYTES,
  type PackSource,
  planBlock,
  planPage,
  type ReadPlan,
  type SnapshotReader,
  STORE_PAGE_BYTES,
} from './types.js';

export class StoreReader implements SnapshotReader {
  readonly manifest: Manifest;
  readonly idPrefix: Uint8Array;
  readonly table: PageTable;
  readonly #catalog: Catalog;
  readonly #objects: ObjectReader;
  readonly #ids: PageIds;

  constructor(catalog: Catalog, manifest: Manifest, table: PageTable) {
    this.manifest = manifest;
    this.table = table;
    this.#catalog = catalog;
    this.#objects = new ObjectReader(catalog);
    this.idPrefix = idPrefixOf(catalog.sealer);
    this.#ids = new PageIds(this.idPrefix);
  }

  async readPages(
    region: number,
    firstPage: number,
    count: number,
    into: Uint8Array,
  ): Promise<Uint8Array> {
    const { name } = this.#region(region, firstPage, count);
    if (into.length < count * STORE_PAGE_BYTES) {
      throw new RangeError(`${into.length} bytes for ${count} pages`);
    }
    const { places, words } = await this.#located(region, firstPage, count);
    const ids = new Uint8Array(words.buffer);
    const held = new Uint8Array(count);
    for (let page = 0; page < count; page++) {
      const at = into.subarray(page * STORE_PAGE_BYTES, (page + 1) * STORE_PAGE_BYTES);
      const place = places[page] as number;
      if (place === 0) {
        at.fill(0);
        continue;
      }
      held[page] = 1;
      await this.#objects.read(place, at);
      const id = this.#ids.of(at);
      for (let byte = 0; byte < PAGE_ID_BYTES; byte++) {
        if (id[byte] === ids[page * PAGE_ID_BYTES + byte]) continue;
        const pack = this.#catalog.id(packOf(place));
        throw corrupt(
          `page ${firstPage + page} of ${name} is not what packs/${pack}.pack should hold`,
        );
      }
    }
    return held;
  }

  async pageIds(region: number, firstPage: number, count: number): Promise<Uint8Array> {
    this.#region(region, firstPage, count);
    const { words } = await this.#located(region, firstPage, count);
    return new Uint8Array(words.buffer);
  }

  async plan(region: number, firstPage: number, count: number): Promise<ReadPlan> {
    this.#region(region, firstPage, count);
    const { places, words } = await this.#located(region, firstPage, count);
    const ids = new Uint8Array(words.buffer);
    const packs: PackSource[] = [];
    const packOrder = new Map<number, number>();
    const blocks: number[] = [];
    const blockOrder = new Map<number, number>();
    const whole: number[] = [];
    const wholeIds = new Uint8Array(count * PAGE_ID_BYTES);
    const built: number[] = [];
    for (let page = 0; page < count; page++) {
      const place = places[page] as number;
      if (place === 0) continue;
      const number = packOf(place);
      const index = this.#catalog.peek(number) ?? (await this.#catalog.index(number));
      const ordinal = ordinalOf(place);
      if (index.depth(ordinal) > 0) {
        built.push(firstPage + page);
        continue;
      }
      let pack = packOrder.get(number);
      if (pack === undefined) {
        pack = packs.push(this.#catalog.source(number)) - 1;
        packOrder.set(number, pack);
      }
      const block = index.blockOf(ordinal);
      const name = number * 65_536 + block;
      let order = blockOrder.get(name);
      if (order === undefined) {
        const { offset, storedBytes, rawBytes } = index.block(block);
        order = blocks.push(pack, block, offset, storedBytes, rawBytes) / planBlock.fields - 1;
        blockOrder.set(name, order);
      }
      const done = whole.length / planPage.fields;
      whole.push(firstPage + page, order, index.startInBlock(ordinal));
      wholeIds.set(
        ids.subarray(page * PAGE_ID_BYTES, (page + 1) * PAGE_ID_BYTES),
        done * PAGE_ID_BYTES,
      );
    }
    return {
      packs,
      blocks: Uint32Array.from(blocks),
      whole: Uint32Array.from(whole),
      ids: wholeIds.slice(0, (whole.length / planPage.fields) * PAGE_ID_BYTES),
      built: Uint32Array.from(built),
    };
  }

  async nextRun(
    region: number,
    firstPage: number,
  ): Promise<{ page: number; count: number } | undefined> {
    const { firstPage: start, byteLength } = this.#region(region, firstPage, 0);
    const end = start + pagesOf(byteLength);
    let first = -1;
    for (let at = start + firstPage; at < end; ) {
      const number = Math.floor(at / SEGMENT_PAGES);
      const places = await this.table.segment(number);
      const stop = Math.min(end, (number + 1) * SEGMENT_PAGES);
      for (; at < stop; at++) {
        const isHole = places[at % SEGMENT_PAGES] === 0;
        if (!isHole && first < 0) first = at;
        if (isHole && first >= 0) return { page: first - start, count: at - first };
      }
    }
    return first < 0 ? undefined : { page: first - start, count: end - first };
  }

  async prove(): Promise<void> {
    for (const region of this.manifest.regions) await this.proveRegion(region);
  }

  /** Checks the root of one region. */
  async proveRegion({ name, byteLength, firstPage, root }: ManifestRegion): Promise<void> {
    const places = new Uint32Array(LEAF_PAGES);
    const found = await regionRoot(byteLength, async (first, count, into) => {
      await placesOf(this.table, firstPage + first, count, places);
      await idsAt(this.#catalog, places, count, new Uint32Array(into.buffer, 0, 4 * count));
    });
    if (found !== root) {
      throw corrupt(`the pages that tables/${this.table.id}.table names are not those of ${name}`);
    }
  }

  close(): Promise<void> {
    return this.table.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The region, if it has these pages. */
  #region(number: number, firstPage: number, count: number): ManifestRegion {
    const region = this.manifest.regions[number];
    if (region === undefined) throw new RangeError(`region ${number}`);
    const isRange = Number.isSafeInteger(firstPage) && Number.isSafeInteger(count);
    if (!isRange || firstPage < 0 || count < 0 || firstPage + count > pagesOf(region.byteLength)) {
      throw new RangeError(`${count} pages from ${firstPage} on of region ${region.name}`);
    }
    return region;
  }

  async #located(
    region: number,
    firstPage: number,
    count: number,
  ): Promise<{ places: Uint32Array; words: Uint32Array<ArrayBuffer> }> {
    const { firstPage: start } = this.manifest.regions[region] as ManifestRegion;
    const places = new Uint32Array(count);
    const words = new Uint32Array(4 * count);
    await placesOf(this.table, start + firstPage, count, places);
    await idsAt(this.#catalog, places, count, words);
    return { places, words };
  }
}
