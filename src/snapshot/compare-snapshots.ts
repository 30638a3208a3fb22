import { type ManifestRegion, PAGE_ID_BYTES, type SnapshotInfo, type Store } from './types.js';

const windowPages = 4096;

export type RegionDifference =
  | { readonly name: string; readonly change: 'added' | 'removed'; readonly byteLength: number }
  | {
      readonly name: string;
      readonly change: 'changed';
      readonly byteLengthBefore: number;
      readonly byteLength: number;
      /** Of the pages that both have or one of them. */
      readonly changedPages: number;
      /** First page and how many, in page order; `mostRuns` at most. */
      readonly runs: readonly (readonly [number, number])[];
    };

/** What the second snapshot has otherwise than the first, region by region, told by the pages' ids: no page is read. */
export async function compareSnapshots(
  store: Store,
  before: SnapshotInfo,
  after: SnapshotInfo,
  mostRuns = 1000,
): Promise<RegionDifference[]> {
  const first = await store.read(before);
  try {
    const second = await store.read(after);
    try {
      const differences: RegionDifference[] = [];
      const old = new Map(first.manifest.regions.map((region, at) => [keyOf(region), at]));
      for (const [at, region] of second.manifest.regions.entries()) {
        const { name, byteLength } = region;
        const was = old.get(keyOf(region));
        const regionBefore = was === undefined ? undefined : first.manifest.regions[was];
        if (was === undefined || regionBefore === undefined) {
          differences.push({ name, change: 'added', byteLength });
          continue;
        }
        old.delete(keyOf(region));
        const runs = new Runs(mostRuns);
        const pages = Math.ceil(Math.max(byteLength, regionBefore.byteLength) / 4096);
        for (let page = 0; page < pages; page += windowPages) {
          const count = Math.min(windowPages, pages - page);
          const [left, right] = await Promise.all([
            idsOf(first, was, regionBefore, page, count),
            idsOf(second, at, region, page, count),
          ]);
          for (let index = 0; index < count; index += 1) {
            if (!isSame(left, right, index * PAGE_ID_BYTES)) runs.add(page + index);
          }
        }
        if (runs.pages === 0 && byteLength === regionBefore.byteLength) continue;
        differences.push({
          name,
          change: 'changed',
          byteLengthBefore: regionBefore.byteLength,
          byteLength,
          changedPages: runs.pages,
          runs: runs.list,
        });
      }
      for (const at of old.values()) {
        const region = first.manifest.regions[at];
        if (region === undefined) continue;
        differences.push({ name: region.name, change: 'removed', byteLength: region.byteLength });
      }
      return differences;
    } finally {
      await second[Symbol.asyncDispose]();
    }
  } finally {
    await first[Symbol.asyncDispose]();
  }
}

class Runs {
  readonly list: [number, number][] = [];
  readonly #most: number;
  pages = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(page: number): void {
    this.pages += 1;
    const last = this.list.at(-1);
    if (last !== undefined && last[0] + last[1] === page) last[1] += 1;
    else if (this.list.length < this.#most) this.list.push([page, 1]);
  }
}

/** Ids of the pages the region has; zeros behind its end. */
async function idsOf(
  reader: Awaited<ReturnType<Store['read']>>,
  index: number,
  { byteLength }: ManifestRegion,
  page: number,
  count: number,
): Promise<Uint8Array> {
  const ids = new Uint8Array(count * PAGE_ID_BYTES);
  const there = Math.min(count, Math.ceil(byteLength / 4096) - page);
  if (there > 0) ids.set(await reader.pageIds(index, page, there));
  return ids;
}

function isSame(left: Uint8Array, right: Uint8Array, at: number): boolean {
  for (let index = at; index < at + PAGE_ID_BYTES; index += 1) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}

function keyOf({ name, role }: ManifestRegion): string {
  return `${role} ${name}`;
}
