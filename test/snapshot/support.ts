import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  type BeginOptions,
  type OpenOptions,
  openStore,
  type PageBatch,
  type SnapshotInfo,
  type SnapshotReader,
  type SnapshotWriter,
  STORE_PAGE_BYTES,
  type Store,
} from '../../src/snapshot/index.js';
import { PageIds } from '../../src/snapshot/page-id.js';

/** A folder that goes when the test is over. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pageferry-store-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A store that is closed when the test is over. */
export async function openTestStore(path: string, options: OpenOptions = {}): Promise<Store> {
  const store = await openStore(path, { create: true, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** Numbers that look random and are the same each time. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Of so many pages, each another one. */
export function seeds(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, page) => page + from);
}

/** A page that compresses to about half, different for each `seed`. */
export function makePage(seed: number): Uint8Array {
  const random = makeRandom(seed * 2654435761 + 12345);
  const page = new Uint8Array(STORE_PAGE_BYTES);
  const half = page.length / 2 + 256;
  for (let at = 0; at < half; at++) page[at] = 1 + Math.floor(random() * 255);
  page.fill(1 + (seed % 255), half);
  return page;
}

/** Bytes of so many pages, by `makePage`; the page of seed 0 is zeros. */
export function makeImage(seeds: readonly number[]): Uint8Array {
  const image = new Uint8Array(seeds.length * STORE_PAGE_BYTES);
  for (const [page, seed] of seeds.entries()) {
    if (seed !== 0) image.set(makePage(seed), page * STORE_PAGE_BYTES);
  }
  return image;
}

/** Writes what of `image` is not zeros to a region, in batches of up to `batchPages`. */
export async function writeImage(
  writer: SnapshotWriter,
  region: number,
  image: Uint8Array,
  batchPages = 64,
): Promise<void> {
  const ids = new PageIds(writer.idPrefix);
  let pages: number[] = [];
  const flush = async () => {
    if (pages.length === 0) return;
    await writer.write(makeBatch(ids, region, pages, image));
    pages = [];
  };
  for (let page = 0; page * STORE_PAGE_BYTES < image.length; page++) {
    const bytes = image.subarray(page * STORE_PAGE_BYTES, (page + 1) * STORE_PAGE_BYTES);
    if (bytes.some((byte) => byte !== 0)) pages.push(page);
    if (pages.length === batchPages) await flush();
  }
  await flush();
}

export function makeBatch(
  ids: PageIds,
  region: number,
  pages: readonly number[],
  image: Uint8Array,
): PageBatch {
  const bytes = new Uint8Array(pages.length * STORE_PAGE_BYTES);
  const all = new Uint8Array(pages.length * 16);
  for (const [index, page] of pages.entries()) {
    const at = bytes.subarray(index * STORE_PAGE_BYTES, (index + 1) * STORE_PAGE_BYTES);
    at.set(image.subarray(page * STORE_PAGE_BYTES, (page + 1) * STORE_PAGE_BYTES));
    all.set(ids.of(at), index * 16);
  }
  return { region, pages: Uint32Array.from(pages), ids: all, bytes };
}

/** A snapshot of `image` as its only region, "disk". */
export async function snapshotOf(
  store: Store,
  image: Uint8Array,
  options: Partial<BeginOptions> = {},
): Promise<SnapshotInfo> {
  await using writer = await store.begin({
    name: 'test',
    regions: [{ name: 'disk', role: 'file', byteLength: image.length }],
    ...options,
  });
  await writeImage(writer, 0, image);
  return writer.publish();
}

/** All bytes of a region. */
export async function readRegion(reader: SnapshotReader, region = 0): Promise<Uint8Array> {
  const { byteLength } = reader.manifest.regions[region] ?? { byteLength: 0 };
  const pages = Math.ceil(byteLength / STORE_PAGE_BYTES);
  const image = new Uint8Array(pages * STORE_PAGE_BYTES);
  for (let page = 0; page < pages; page += 64) {
    const count = Math.min(64, pages - page);
    const into = image.subarray(page * STORE_PAGE_BYTES, (page + count) * STORE_PAGE_BYTES);
    await reader.readPages(region, page, count, into);
  }
  return image.subarray(0, byteLength);
}

/** What a snapshot has in its first region. */
export async function restored(store: Store, snapshot: SnapshotInfo): Promise<Uint8Array> {
  await using reader = await store.read(snapshot);
  return await readRegion(reader);
}

/** Whether both have the same bytes; quicker than comparing element by element in a matcher. */
export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
