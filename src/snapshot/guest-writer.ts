import { PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import { guestRegionName, guestRegionPlan, stateRegionName } from './guest-regions.js';
import { PageIds } from './page-id.js';
import type { RegionWatch } from './region-watch.js';
import {
  type BeginOptions,
  MAX_BATCH_PAGES,
  PAGE_ID_BYTES,
  type SnapshotInfo,
  type SnapshotWriter,
  type Store,
} from './types.js';

const zeroPage = Buffer.alloc(PAGE_BYTES);

/** A snapshot of a guest under construction: makes ids of pages, and tells zeros from the others. */
export class GuestWriter {
  readonly writer: SnapshotWriter;
  /** By region: its place in the snapshot. */
  readonly #places: ReadonlyMap<string, number>;
  readonly #ids: PageIds;
  #pages = 0;

  private constructor(writer: SnapshotWriter, places: ReadonlyMap<string, number>) {
    this.writer = writer;
    this.#places = places;
    this.#ids = new PageIds(writer.idPrefix);
  }

  /** `last`: of what is not written the regions are as in that snapshot. */
  static async begin(
    store: Store,
    watches: readonly RegionWatch[],
    maxStateBytes: number,
    {
      last,
      ...options
    }: Omit<BeginOptions, 'regions'> & { readonly last: SnapshotInfo | undefined },
  ): Promise<GuestWriter> {
    const plans = watches.map(({ region }) => guestRegionPlan(region));
    const state = {
      name: stateRegionName,
      role: 'state' as const,
      byteLength: 0,
      maxByteLength: maxStateBytes,
    };
    const writer = await store.begin({ ...options, regions: [...plans, state] });
    const places = new Map(plans.map(({ name }, index) => [name, index]));
    const guestWriter = new GuestWriter(writer, places.set(stateRegionName, plans.length));
    const before = new Map(last?.manifest?.regions.map((region) => [region.name, region]));
    for (const [index, { region }] of watches.entries()) {
      const was = before.get(guestRegionName(region));
      if (was === undefined) continue;
      const pages = Math.min(pageCountOf(was.byteLength), pageCountOf(region.byteLength));
      if (pages > 0) await writer.keep(index, 0, pages);
    }
    return guestWriter;
  }

  /** Pages written. */
  get pages(): number {
    return this.#pages;
  }

  /** Whether these are the regions it was begun with, none longer than it may become. */
  fits(watches: readonly RegionWatch[]): boolean {
    const names = watches.map(({ region }) => guestRegionName(region));
    return names.length === this.#places.size - 1 && names.every((name) => this.#places.has(name));
  }

  async writeRun(watch: RegionWatch, first: number, bytes: Uint8Array): Promise<void> {
    await this.#write(this.#placeOf(guestRegionName(watch.region)), first, bytes);
  }

  async writeState(state: Uint8Array): Promise<void> {
    const padded = new Uint8Array(pageCountOf(state.byteLength) * PAGE_BYTES);
    padded.set(state);
    await this.#write(this.#placeOf(stateRegionName), 0, padded);
  }

  #placeOf(name: string): number {
    const place = this.#places.get(name);
    if (place === undefined) throw new RangeError(`no region ${name}`);
    return place;
  }

  async #write(region: number, first: number, bytes: Uint8Array): Promise<void> {
    const count = bytes.length / PAGE_BYTES;
    this.#pages += count;
    for (let from = 0; from < count; from += MAX_BATCH_PAGES) {
      const to = Math.min(count, from + MAX_BATCH_PAGES);
      await this.#writeBatch(region, first + from, bytes.slice(from * PAGE_BYTES, to * PAGE_BYTES));
    }
  }

  /** `bytes` is its own: pages that are not zeros move to the front of it. */
  async #writeBatch(region: number, first: number, bytes: Uint8Array): Promise<void> {
    const count = bytes.length / PAGE_BYTES;
    const pages = new Uint32Array(count);
    const ids = new Uint8Array(count * PAGE_ID_BYTES);
    let kept = 0;
    for (let index = 0; index < count; index += 1) {
      const page = bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
      if (zeroPage.equals(page)) {
        await this.writer.clear(region, first + index, 1);
        continue;
      }
      this.#ids.write(page, ids, kept * PAGE_ID_BYTES);
      pages[kept] = first + index;
      if (kept !== index) bytes.set(page, kept * PAGE_BYTES);
      kept += 1;
    }
    if (kept === 0) return;
    await this.writer.write({
      region,
      pages: pages.subarray(0, kept),
      ids: ids.subarray(0, kept * PAGE_ID_BYTES),
      bytes: bytes.subarray(0, kept * PAGE_BYTES),
    });
  }
}
