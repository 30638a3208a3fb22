import type { FileHandle } from 'node:fs/promises';
import { writeAt } from '../guests/file-io.js';
import { checkAborted } from './check-aborted.js';
import type { PageCrew } from './page-crew.js';
import {
  planBlock,
  planPage,
  type ReadPlan,
  type SnapshotReader,
  STORE_PAGE_BYTES,
} from './types.js';

/** Pages that are planned at once: 64 MiB. */
const windowPages = 16_384;
/** Blocks that a thread is given at once: up to 4 MiB of pages. */
const jobBlocks = 16;

/** Writes regions of a snapshot to files: whole pages by threads, those that have to be built here. */
export class RegionRestorer {
  readonly #reader: SnapshotReader;
  readonly #crew: PageCrew;
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: (bytes: number) => void;

  constructor(
    reader: SnapshotReader,
    crew: PageCrew,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ) {
    this.#reader = reader;
    this.#crew = crew;
    this.#signal = signal;
    this.#onBytes = onBytes;
  }

  /** Writes the region's pages to `handle`, an empty file that has its length already. */
  async restore(region: number, handle: FileHandle): Promise<void> {
    const { byteLength = 0, name = '' } = this.#reader.manifest.regions[region] ?? {};
    const pages = Math.ceil(byteLength / STORE_PAGE_BYTES);
    for (let first = 0; first < pages; first += windowPages) {
      checkAborted(this.#signal);
      const count = Math.min(windowPages, pages - first);
      const plan = await this.#reader.plan(region, first, count);
      const jobs = jobsOf(plan).map((job) =>
        this.#crew.rebuild({ ...job, fd: handle.fd, byteLength, name }),
      );
      const ended = await Promise.allSettled([
        ...jobs,
        this.#build(region, plan.built, byteLength, handle),
      ]);
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
      this.#onBytes(Math.min(byteLength - first * STORE_PAGE_BYTES, count * STORE_PAGE_BYTES));
    }
  }

  async #build(
    region: number,
    pages: Uint32Array,
    byteLength: number,
    handle: FileHandle,
  ): Promise<void> {
    const page = new Uint8Array(STORE_PAGE_BYTES);
    for (const number of pages) {
      checkAborted(this.#signal);
      await this.#reader.readPages(region, number, 1, page);
      const position = number * STORE_PAGE_BYTES;
      await writeAt(
        handle,
        position,
        page.subarray(0, Math.min(page.length, byteLength - position)),
      );
    }
  }
}

type Job = Omit<ReadPlan, 'built'>;

/** The plan in parts, each with some of its blocks and the pages in them. */
function jobsOf({ packs, blocks, whole, ids }: ReadPlan): Job[] {
  const blockCount = blocks.length / planBlock.fields;
  const pagesOf = new Uint32Array(Math.ceil(blockCount / jobBlocks));
  const jobOf = (page: number): number =>
    Math.floor((whole[page * planPage.fields + planPage.block] ?? 0) / jobBlocks);
  const pageCount = whole.length / planPage.fields;
  for (let page = 0; page < pageCount; page += 1)
    pagesOf[jobOf(page)] = (pagesOf[jobOf(page)] ?? 0) + 1;
  const jobs = Array.from(pagesOf, (pages, at): Job & { filled: number } => ({
    packs,
    blocks: blocks.slice(
      at * jobBlocks * planBlock.fields,
      (at + 1) * jobBlocks * planBlock.fields,
    ),
    whole: new Uint32Array(pages * planPage.fields),
    ids: new Uint8Array(pages * 16),
    filled: 0,
  }));
  for (let page = 0; page < pageCount; page += 1) {
    const job = jobs[jobOf(page)];
    if (job === undefined) continue;
    const at = job.filled * planPage.fields;
    job.whole.set(whole.subarray(page * planPage.fields, (page + 1) * planPage.fields), at);
    job.whole[at + planPage.block] =
      (whole[page * planPage.fields + planPage.block] ?? 0) % jobBlocks;
    job.ids.set(ids.subarray(page * 16, page * 16 + 16), job.filled * 16);
    job.filled += 1;
  }
  return jobs;
}
