import { encodeXbzrle } from '../codec/xbzrle.js';
import { FerryError } from '../errors.js';
import { BlockCodec } from './block-codec.js';
import type { Catalog } from './catalog.js';
import { idPrefixOf, type StoreContext } from './context.js';
import type { StoreLock } from './locks.js';
import { makeManifestParts, optional } from './manifest.js';
import { LEAF_PAGES, pagesOf, regionRoot, snapshotRoot } from './merkle.js';
import { ObjectReader } from './object-reader.js';
import { MAX_DEPTH, type PackIndex } from './pack-index.js';
import { PackWriter } from './pack-writer.js';
import type { PageFinder } from './page-finder.js';
import { PageMap } from './page-map.js';
import { idsAt, placesOf } from './page-space.js';
import type { PageTable } from './page-table.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import { publish } from './publish.js';
import type { PlacedRegion } from './region-places.js';
import { STORE_VERSION } from './sealed.js';
import { coded } from './store-error.js';
import { SEGMENT_PAGES } from './table-segment.js';
import {
  type BeginOptions,
  type FinalState,
  MAX_BATCH_PAGES,
  type Manifest,
  PAGE_ID_BYTES,
  type PageBatch,
  type SnapshotInfo,
  type SnapshotWriter,
  STORE_PAGE_BYTES,
  type WriterCounts,
} from './types.js';

/** A delta that is longer is not worth what reading it costs. */
const maxDeltaBytes = 2048;
/** After so many tries in a row without success only every so-many-th page is tried. */
const patience = 64;

/** What a writer begins with. */
export interface WriterStart {
  readonly options: BeginOptions;
  readonly regions: readonly PlacedRegion[];
  readonly parent: { readonly manifest: Manifest; readonly table: PageTable } | undefined;
  readonly catalog: Catalog;
  readonly finder: PageFinder;
  /** Packs that nothing new may refer to. */
  readonly excluded: Set<number>;
  readonly lock: StoreLock;
  /** Told of each pack that is finished. */
  readonly onPack: (id: string) => void;
}

export class StoreWriter implements SnapshotWriter {
  readonly idPrefix: Uint8Array;
  readonly counts: WriterCounts = {
    same: 0,
    known: 0,
    whole: 0,
    delta: 0,
    kept: 0,
    storedBytes: 0,
  };
  readonly #context: StoreContext;
  readonly #start: WriterStart;
  readonly #catalog: Catalog;
  readonly #map: PageMap;
  readonly #objects: ObjectReader;
  readonly #codec = new BlockCodec();
  #pack: { readonly number: number; readonly writer: PackWriter } | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #failure: unknown;
  #isOver = false;
  #isPublishing = false;
  #fruitless = 0;
  // One batch: ids, the parent's places, places found or given, packs to look in, slots to find equal pages by.
  readonly #ids = new Uint32Array(4 * MAX_BATCH_PAGES);
  readonly #idBytes = new Uint8Array(this.#ids.buffer);
  readonly #before = new Uint32Array(MAX_BATCH_PAGES);
  readonly #places = new Uint32Array(MAX_BATCH_PAGES);
  readonly #fresh = new Uint8Array(MAX_BATCH_PAGES);
  readonly #candidates = new Uint16Array(8);
  readonly #slots = new Uint8Array(4 * MAX_BATCH_PAGES);
  readonly #twin = new Int8Array(MAX_BATCH_PAGES);
  readonly #deltaBytes = new Uint16Array(MAX_BATCH_PAGES);
  readonly #deltas = new Uint8Array(MAX_BATCH_PAGES * maxDeltaBytes);
  readonly #basePage = new Uint8Array(STORE_PAGE_BYTES);

  constructor(context: StoreContext, start: WriterStart) {
    this.#context = context;
    this.#start = start;
    this.#catalog = start.catalog;
    this.#map = new PageMap(start.parent?.table);
    this.#objects = new ObjectReader(start.catalog);
    this.idPrefix = idPrefixOf(context.sealer);
  }

  parentIds(region: number, firstPage: number, count: number): Promise<Uint8Array> {
    const { parent } = this.#region(region);
    return this.#queue(async () => {
      const ids = new Uint32Array(4 * count);
      const table = this.#start.parent?.table;
      const known =
        parent === undefined ? 0 : Math.max(0, Math.min(count, parent.pages - firstPage));
      if (parent !== undefined && table !== undefined && known > 0) {
        const places = new Uint32Array(known);
        await placesOf(table, parent.firstPage + firstPage, known, places);
        await idsAt(this.#catalog, places, known, ids);
      }
      return new Uint8Array(ids.buffer);
    });
  }

  write(batch: PageBatch): Promise<void> {
    return this.#queue(() => this.#write(batch));
  }

  keep(region: number, firstPage: number, count: number): Promise<void> {
    return this.#queue(async () => {
      const placed = this.#region(region);
      this.#checkRange(placed, firstPage, count);
      const { parent } = placed;
      const table = this.#start.parent?.table;
      if (parent === undefined || table === undefined) {
        throw new RangeError(`region ${placed.plan.name} has nothing to keep`);
      }
      const end = Math.min(firstPage + count, parent.pages);
      const shift = parent.firstPage - placed.firstPage;
      for (let page = firstPage; page < end; ) {
        const at = placed.firstPage + page;
        const number = Math.floor(at / SEGMENT_PAGES);
        const from = at % SEGMENT_PAGES;
        const length = Math.min(end - page, SEGMENT_PAGES - from);
        if (shift === 0 && length === SEGMENT_PAGES) {
          this.#map.share(number);
        } else {
          const places = new Uint32Array(length);
          await placesOf(table, at + shift, length, places);
          (await this.#map.open(number)).set(places, from);
        }
        page += length;
      }
      this.counts.kept += Math.max(0, end - firstPage);
    });
  }

  clear(region: number, firstPage: number, count: number): Promise<void> {
    return this.#queue(async () => {
      const placed = this.#region(region);
      this.#checkRange(placed, firstPage, count);
      await this.#clear(placed.firstPage + firstPage, count);
    });
  }

  publish(final: FinalState = {}): Promise<SnapshotInfo> {
    this.#isPublishing = true;
    return this.#queue(async () => {
      const info = await this.#publish(final);
      await this.#end();
      return info;
    });
  }

  async abandon(): Promise<void> {
    if (this.#isOver) return;
    // A publish that was asked for before is carried out.
    if (!this.#isPublishing) {
      this.#failure ??= new FerryError('ERR_ABORTED', 'the snapshot was abandoned');
    }
    await this.#tail;
    await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abandon();
  }

  async #end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      await this.#dropPack();
      await this.#start.parent?.table.close();
    } finally {
      await this.#start.lock.release();
    }
  }

  #queue<T>(act: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(() => {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) throw new TypeError('the snapshot is finished');
      return coded(`cannot write to ${this.#context.path}`, act);
    });
    this.#tail = run.catch((error) => {
      this.#failure ??= error;
    });
    return run;
  }

  #region(number: number): PlacedRegion {
    const region = this.#start.regions[number];
    if (region === undefined) throw new RangeError(`region ${number}`);
    return region;
  }

  #checkRange({ plan, pages }: PlacedRegion, firstPage: number, count: number): void {
    const isRange = Number.isSafeInteger(firstPage) && Number.isSafeInteger(count);
    if (!isRange || firstPage < 0 || count < 0 || firstPage + count > pages) {
      throw new RangeError(
        `${count} pages from ${firstPage} on of region ${plan.name}, which has ${pages}`,
      );
    }
  }

  async #write(batch: PageBatch): Promise<void> {
    const { pages, ids, bytes, block } = batch;
    const region = this.#region(batch.region);
    const count = pages.length;
    checkBatch(batch);
    this.#checkRange(region, pages[0] as number, 1);
    this.#checkRange(region, pages[count - 1] as number, 1);
    this.#idBytes.set(ids);
    await this.#findParents(region, pages);
    await this.#findKnown(count);
    let fresh = this.#findTwins(count);
    let deltas = 0;
    if (fresh > 0 && region.parent !== undefined && this.#start.options.deltas !== false) {
      deltas = await this.#makeDeltas(bytes, count);
    }
    if (fresh > 0) {
      const { number, writer } = await this.#packFor();
      if (block !== undefined && fresh === count && deltas === 0) {
        const first = await writer.addBlock(this.#ids, count, block);
        for (let page = 0; page < count; page++) {
          this.#places[page] = placeOf(number, first + page);
        }
      } else {
        await this.#addObjects(bytes, count);
      }
      for (let page = 0; page < count; page++) {
        if (this.#fresh[page] === 0) continue;
        this.#start.finder.add(
          this.#ids[4 * page] as number,
          this.#ids[4 * page + 1] as number,
          number,
        );
      }
    }
    for (let page = 0; page < count; page++) {
      const twin = this.#twin[page] as number;
      if (twin >= 0) this.#places[page] = this.#places[twin] as number;
    }
    fresh -= deltas;
    this.counts.whole += fresh;
    this.counts.delta += deltas;
    await this.#place(region, pages);
  }

  /** Puts the places of the batch into the map. */
  async #place({ firstPage }: PlacedRegion, pages: Uint32Array): Promise<void> {
    let number = -1;
    let segment: Uint32Array | undefined;
    for (let page = 0; page < pages.length; page++) {
      const at = firstPage + (pages[page] as number);
      const needed = Math.floor(at / SEGMENT_PAGES);
      if (segment === undefined || needed !== number) {
        number = needed;
        segment = this.#map.peek(number) ?? (await this.#map.open(number));
      }
      segment[at % SEGMENT_PAGES] = this.#places[page] as number;
    }
  }

  /** Where the parent has these pages; those that are equal have their place with it. */
  async #findParents({ parent }: PlacedRegion, pages: Uint32Array): Promise<void> {
    const table = this.#start.parent?.table;
    this.#before.fill(0);
    this.#places.fill(0);
    if (parent === undefined || table === undefined) return;
    let number = -1;
    let segment: Uint32Array | undefined;
    let pack = 0;
    let index: PackIndex | undefined;
    for (let page = 0; page < pages.length; page++) {
      if ((pages[page] as number) >= parent.pages) break;
      const at = parent.firstPage + (pages[page] as number);
      const needed = Math.floor(at / SEGMENT_PAGES);
      if (segment === undefined || needed !== number) {
        number = needed;
        segment = table.peek(number) ?? (await table.segment(number));
      }
      const place = segment[at % SEGMENT_PAGES] as number;
      if (place === 0) continue;
      if (index === undefined || packOf(place) !== pack) {
        pack = packOf(place);
        index = await this.#indexOf(pack);
      }
      // What cannot be read is not referred to again: it is stored anew.
      if (index === undefined || ordinalOf(place) >= index.count) continue;
      this.#before[page] = place;
      if (sameId(index.words, 4 * ordinalOf(place), this.#ids, 4 * page)) {
        this.#places[page] = place;
        this.counts.same++;
      }
    }
  }

  /** Which of the others the store has. */
  async #findKnown(count: number): Promise<void> {
    const { finder, excluded } = this.#start;
    for (let page = 0; page < count; page++) {
      if (this.#places[page] !== 0) continue;
      const [word0, word1] = [this.#ids[4 * page] as number, this.#ids[4 * page + 1] as number];
      const found = finder.find(word0, word1, this.#candidates);
      for (let candidate = 0; candidate < found; candidate++) {
        const pack = this.#candidates[candidate] as number;
        if (excluded.has(pack)) continue;
        const index = this.#catalog.peek(pack) ?? (await this.#indexOf(pack));
        const ordinal = index?.find(this.#ids, 4 * page) ?? -1;
        if (index === undefined || ordinal < 0) continue;
        const place = placeOf(pack, ordinal);
        if (index.depth(ordinal) > 0 && !(await this.#isUsable(place))) continue;
        this.#places[page] = place;
        this.counts.known++;
        break;
      }
    }
  }

  /** The index, or undefined where it cannot be read: nothing refers to that pack from then on. */
  async #indexOf(pack: number): Promise<PackIndex | undefined> {
    if (this.#start.excluded.has(pack)) return undefined;
    try {
      return await this.#catalog.index(pack);
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== 'ERR_STORE_CORRUPT') throw error;
      this.#start.excluded.add(pack);
      return undefined;
    }
  }

  /** Whether everything that a delta is built on may be referred to. */
  async #isUsable(place: number): Promise<boolean> {
    try {
      const chain = await this.#objects.chain(place);
      return chain.every((part) => !this.#start.excluded.has(packOf(part)));
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return false;
      throw error;
    }
  }

  /** Marks the pages that have to be stored, each content once, and which others equal them. Returns how many. */
  #findTwins(count: number): number {
    this.#slots.fill(0);
    this.#twin.fill(-1);
    this.#fresh.fill(0);
    this.#deltaBytes.fill(0);
    const mask = this.#slots.length - 1;
    let fresh = 0;
    for (let page = 0; page < count; page++) {
      if (this.#places[page] !== 0) continue;
      let slot = (this.#ids[4 * page] as number) & mask;
      for (;;) {
        const other = (this.#slots[slot] as number) - 1;
        if (other < 0) {
          this.#slots[slot] = page + 1;
          this.#fresh[page] = 1;
          fresh++;
          break;
        }
        if (sameId(this.#ids, 4 * other, this.#ids, 4 * page)) {
          this.#twin[page] = other;
          this.counts.known++;
          break;
        }
        slot = (slot + 1) & mask;
      }
    }
    return fresh;
  }

  /** Encodes how fresh pages differ from the parent's, where that is short. Returns how many. */
  async #makeDeltas(bytes: Uint8Array, count: number): Promise<number> {
    let made = 0;
    for (let page = 0; page < count; page++) {
      const place = this.#before[page] as number;
      if (this.#fresh[page] === 0 || place === 0) continue;
      if (this.#fruitless >= patience && this.#fruitless++ % 16 !== 0) continue;
      const depth = (await this.#catalog.index(packOf(place))).depth(ordinalOf(place));
      if (depth >= MAX_DEPTH || !(await this.#readBase(place))) continue;
      const next = bytes.subarray(page * STORE_PAGE_BYTES, (page + 1) * STORE_PAGE_BYTES);
      const out = this.#deltas.subarray(page * maxDeltaBytes, (page + 1) * maxDeltaBytes);
      const length = encodeXbzrle(this.#basePage, next, out);
      if (length > 0) {
        this.#deltaBytes[page] = length;
        this.#fruitless = 0;
        made++;
      } else {
        this.#fruitless++;
      }
    }
    return made;
  }

  async #readBase(place: number): Promise<boolean> {
    try {
      await this.#objects.read(place, this.#basePage);
      return true;
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return false;
      throw error;
    }
  }

  /** Adds the fresh objects of the batch one by one. */
  async #addObjects(bytes: Uint8Array, count: number): Promise<void> {
    const { number, writer } = await this.#packFor();
    for (let page = 0; page < count; page++) {
      if (this.#fresh[page] === 0) continue;
      if (writer.needsFlush) await writer.flush();
      const length = this.#deltaBytes[page] as number;
      let ordinal: number;
      if (length > 0) {
        const base = this.#before[page] as number;
        const depth = (await this.#catalog.index(packOf(base))).depth(ordinalOf(base)) + 1;
        const from = page * maxDeltaBytes;
        const delta = this.#deltas.subarray(from, from + length);
        const to = { pack: this.#catalog.id(packOf(base)), ordinal: ordinalOf(base) };
        ordinal = writer.add(this.#ids, 4 * page, delta, to, depth);
      } else {
        const from = page * STORE_PAGE_BYTES;
        ordinal = writer.add(this.#ids, 4 * page, bytes.subarray(from, from + STORE_PAGE_BYTES));
      }
      this.#places[page] = placeOf(number, ordinal);
    }
  }

  /** The pack under construction, with room for a batch. */
  async #packFor(): Promise<{ readonly number: number; readonly writer: PackWriter }> {
    const held = this.#pack;
    if (held !== undefined) {
      if (!held.writer.isFull && held.writer.storedBytes < this.#context.packBytes) return held;
      await this.#finishPack();
    }
    const { files, sealer, compression } = this.#context;
    const writer = await PackWriter.create({
      files,
      folder: this.#catalog.folder,
      sealer,
      codec: this.#codec,
      compression,
    });
    const pack = { number: this.#catalog.pin(writer.index), writer };
    this.#pack = pack;
    this.#objects.writing = { number: pack.number, pack: writer };
    return pack;
  }

  async #finishPack(): Promise<void> {
    const pack = this.#pack;
    if (pack === undefined) return;
    this.counts.storedBytes += await pack.writer.finish();
    this.#pack = undefined;
    this.#objects.writing = undefined;
    this.#catalog.unpin(pack.number);
    this.#start.onPack(pack.writer.index.pack);
  }

  async #dropPack(): Promise<void> {
    const pack = this.#pack;
    if (pack === undefined) return;
    this.#pack = undefined;
    // Nobody finds its pages any more.
    this.#catalog.drop(pack.number);
    await pack.writer.drop();
  }

  async #clear(first: number, count: number): Promise<void> {
    for (let page = first; page < first + count; ) {
      const number = Math.floor(page / SEGMENT_PAGES);
      const from = page % SEGMENT_PAGES;
      const length = Math.min(first + count - page, SEGMENT_PAGES - from);
      const places = await this.#map.segment(number);
      if (places.subarray(from, from + length).some((place) => place !== 0)) {
        (await this.#map.open(number)).fill(0, from, from + length);
      }
      page += length;
    }
  }

  async #publish(final: FinalState): Promise<SnapshotInfo> {
    const { options, regions, parent } = this.#start;
    const lengths = regions.map(({ plan }, region) => {
      const length = final.byteLengths?.[region] ?? plan.byteLength;
      const most = Math.max(plan.byteLength, plan.maxByteLength ?? 0);
      if (!Number.isSafeInteger(length) || length < 0 || length > most) {
        throw new RangeError(`region ${plan.name} cannot have ${length} bytes`);
      }
      return length;
    });
    await this.#finishPack();
    const needs = new Set<number>();
    const roots: string[] = [];
    let pages = 0;
    for (const [region, placed] of regions.entries()) {
      const kept = pagesOf(lengths[region] as number);
      await this.#clear(placed.firstPage + kept, placed.pages - kept);
      const root = await this.#root(placed, lengths[region] as number, needs);
      roots.push(root.root);
      pages += root.pages;
    }
    const table = await this.#map.write(this.#catalog, needs);
    this.counts.storedBytes += table.storedBytes;
    const { files, path, sealer, signWith } = this.#context;
    await files.syncFolder(this.#catalog.folder);
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
      name: options.name,
      time: Date.now(),
      clean: final.clean ?? true,
      ...optional('guest', options.guest),
      ...optional('metadata', final.metadata),
      regions: entries,
      ...(parent === undefined
        ? {}
        : { parent: { counter: parent.manifest.counter, root: parent.manifest.root } }),
      root: snapshotRoot(entries),
      table: table.id,
      pages,
      storedBytes: this.counts.storedBytes,
    });
    const needed = {
      packs: new Set([...needs].map((pack) => this.#catalog.id(pack))),
      tables: new Set([table.id, ...table.tables]),
    };
    let manifest: Manifest | undefined;
    const { counter } = await publish(this.#context, needed, (next) => {
      manifest = manifestAs(next);
      return makeManifestParts(manifest, signWith);
    });
    return {
      counter,
      manifest: manifest as Manifest,
      signed: this.#context.verifyWith !== undefined,
    };
  }

  /** The root of a region and its pages that are not zeros; adds the packs it needs to `needs`. */
  async #root(
    placed: PlacedRegion,
    byteLength: number,
    needs: Set<number>,
  ): Promise<{ root: string; pages: number }> {
    let pages = 0;
    const places = new Uint32Array(LEAF_PAGES);
    const root = await regionRoot(byteLength, async (first, count, into) => {
      await placesOf(this.#map, placed.firstPage + first, count, places);
      await idsAt(this.#catalog, places, count, new Uint32Array(into.buffer, 0, 4 * count));
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
        const index = this.#catalog.peek(pack) ?? (await this.#catalog.index(pack));
        if (!index.hasDeltas || index.depth(ordinalOf(place)) === 0) continue;
        for (const part of await this.#objects.chain(place)) needs.add(packOf(part));
      }
    });
    return { root, pages };
  }
}

function sameId(one: Uint32Array, at: number, other: Uint32Array, otherAt: number): boolean {
  return (
    one[at] === other[otherAt] &&
    one[at + 1] === other[otherAt + 1] &&
    one[at + 2] === other[otherAt + 2] &&
    one[at + 3] === other[otherAt + 3]
  );
}

function checkBatch({ pages, ids, bytes }: PageBatch): void {
  const count = pages.length;
  if (count < 1 || count > MAX_BATCH_PAGES) throw new RangeError(`batch of ${count} pages`);
  if (ids.length !== count * PAGE_ID_BYTES || bytes.length !== count * STORE_PAGE_BYTES) {
    throw new RangeError(
      `${count} pages with ${ids.length} bytes of ids and ${bytes.length} bytes`,
    );
  }
  for (let page = 1; page < count; page++) {
    if ((pages[page] as number) <= (pages[page - 1] as number)) {
      throw new RangeError('pages of a batch must ascend');
    }
  }
}
