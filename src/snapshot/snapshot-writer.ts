import { FerryError } from '../errors.js';
import type { Catalog } from './catalog.js';
import { idPrefixOf, type StoreContext } from './context.js';
import { finalLengths, finishSnapshot } from './finish-snapshot.js';
import { FreshPages } from './fresh-pages.js';
import { KnownPages } from './known-pages.js';
import { LineOfPrints } from './line-of-prints.js';
import type { StoreLock } from './locks.js';
import { pagesOf } from './merkle.js';
import { ObjectReader } from './object-reader.js';
import { PackSupply } from './pack-supply.js';
import { PageBatchState } from './page-batch.js';
import type { PageFinder } from './page-finder.js';
import { PageMap } from './page-map.js';
import { idsAt, placesOf } from './page-space.js';
import type { PageTable } from './page-table.js';
import type { PlacedRegion } from './region-places.js';
import { coded } from './store-error.js';
import { SEGMENT_PAGES } from './table-segment.js';
import {
  type BeginOptions,
  type FinalState,
  MAX_BATCH_PAGES,
  type Manifest,
  PAGE_ID_BYTES,
  type PageBatch,
  type PageFingerprints,
  type SnapshotInfo,
  type SnapshotWriter,
  STORE_PAGE_BYTES,
  type WriterCounts,
} from './types.js';

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
  readonly #map: PageMap;
  readonly #objects: ObjectReader;
  readonly #packs: PackSupply;
  readonly #known: KnownPages;
  readonly #fresh: FreshPages;
  readonly #batch = new PageBatchState();
  #prints: LineOfPrints | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #failure: unknown;
  #isOver = false;
  #isPublishing = false;

  constructor(context: StoreContext, start: WriterStart) {
    const { catalog, parent, finder, excluded, onPack } = start;
    this.#context = context;
    this.#start = start;
    this.#map = new PageMap(parent?.table);
    this.#objects = new ObjectReader(catalog);
    this.#packs = new PackSupply(context, catalog, this.#objects, onPack);
    this.#known = new KnownPages(catalog, this.#objects, finder, excluded, parent?.table);
    this.#fresh = new FreshPages(catalog, this.#objects, this.#packs);
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
        await idsAt(this.#start.catalog, places, known, ids);
      }
      return new Uint8Array(ids.buffer);
    });
  }

  async fingerprints(): Promise<PageFingerprints | undefined> {
    const { signWith, sealer } = this.#context;
    if (signWith !== undefined && !sealer.encrypted) return undefined;
    const { regions, parent } = this.#start;
    this.#prints ??= await LineOfPrints.open(this.#context, regions, parent?.manifest);
    return this.#prints;
  }

  write(batch: PageBatch): Promise<void> {
    return this.#queue(() => this.#write(batch));
  }

  keep(region: number, firstPage: number, count: number, which?: Uint8Array): Promise<void> {
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
        if (which === undefined && shift === 0 && length === SEGMENT_PAGES) {
          this.#map.share(number);
          this.counts.kept += length;
        } else {
          const places = new Uint32Array(length);
          await placesOf(table, at + shift, length, places);
          const segment = this.#map.peek(number) ?? (await this.#map.open(number));
          for (let index = 0; index < length; index++) {
            if (which !== undefined && which[page - firstPage + index] !== 1) continue;
            segment[from + index] = places[index] as number;
            this.counts.kept++;
          }
        }
        page += length;
      }
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
      await this.#packs.drop();
      await this.#start.parent?.table.close();
      await this.#prints?.close();
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
    const state = this.#batch;
    state.begin(ids, count);
    this.counts.same += await this.#known.findInParent(state, region.parent, pages);
    this.counts.known += await this.#known.findInStore(state);
    const { fresh, twins } = state.findTwins();
    this.counts.known += twins;
    if (fresh > 0) await this.#store(state, fresh, bytes, region, block);
    state.placeTwins();
    await this.#place(region, pages);
  }

  async #store(
    state: PageBatchState,
    fresh: number,
    bytes: Uint8Array,
    { parent }: PlacedRegion,
    block: PageBatch['block'],
  ): Promise<void> {
    const { options, finder } = this.#start;
    const stored = await this.#fresh.store(state, fresh, bytes, {
      deltas: parent !== undefined && options.deltas !== false,
      block,
    });
    for (let page = 0; page < state.count; page++) {
      if (state.fresh[page] === 0) continue;
      finder.add(state.ids[4 * page] as number, state.ids[4 * page + 1] as number, stored.pack);
    }
    this.counts.whole += fresh - stored.deltas;
    this.counts.delta += stored.deltas;
    this.counts.storedBytes = this.#packs.storedBytes;
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
      segment[at % SEGMENT_PAGES] = this.#batch.places[page] as number;
    }
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
    const { options, regions, parent, catalog } = this.#start;
    const lengths = finalLengths(regions, final);
    await this.#packs.finish();
    for (const [region, placed] of regions.entries()) {
      const kept = pagesOf(lengths[region] as number);
      await this.#clear(placed.firstPage + kept, placed.pages - kept);
    }
    const info = await finishSnapshot(
      this.#context,
      {
        name: options.name,
        guest: options.guest,
        regions,
        lengths,
        parent: parent?.manifest,
        map: this.#map,
        catalog,
        objects: this.#objects,
        storedBytes: this.#packs.storedBytes,
      },
      final,
    );
    this.counts.storedBytes = info.manifest.storedBytes;
    await this.#prints?.finish(info.manifest, parent?.manifest);
    return info;
  }
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
