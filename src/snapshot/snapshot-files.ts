import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import { differenceOf, type Survey, type SurveyedFile, surveyFiles } from './file-survey.js';
import { LOOK_PAGES, pageState } from './page-area.js';
import { defaultPageThreads, type Look, PageCrew } from './page-crew.js';
import {
  type Compression,
  type Json,
  MAX_BATCH_PAGES,
  PAGE_ID_BYTES,
  type SnapshotInfo,
  type SnapshotWriter,
  STORE_PAGE_BYTES,
  type Store,
  type WriterCounts,
} from './types.js';

const lookBytes = LOOK_PAGES * STORE_PAGE_BYTES;

export interface SnapshotFilesOptions {
  /** Of the snapshot. Default: the last part of the path. */
  readonly name?: string;
  /** What pages are compared with. Default: the newest snapshot of that name, or else, of a folder, the newest that has a file of the same name; null: none. */
  readonly parent?: SnapshotInfo | null;
  /** Threads that read, hash and compress, 1 to 4. Default: one a processor. */
  readonly threads?: number;
  /** As the store was opened with. Default lz4. */
  readonly compression?: Compression;
  /** What had been writing had ended in order. Default true. */
  readonly clean?: boolean;
  readonly metadata?: Json;
  readonly signal?: AbortSignal;
  /** Bytes looked at so far and in all. */
  readonly onProgress?: (done: number, all: number) => void;
}

export interface SnapshotOfFiles {
  readonly snapshot: SnapshotInfo;
  readonly parent: SnapshotInfo | undefined;
  readonly files: number;
  readonly byteLength: number;
  readonly counts: Readonly<WriterCounts>;
}

/**
 * Stores the file, or everything in the folder, at `path`: pages that the parent has not, nor the store. ERR_SOURCE_CHANGED if something changed while it
 * was read; nothing is in the store then.
 */
export async function snapshotFiles(
  store: Store,
  path: string,
  options: SnapshotFilesOptions = {},
): Promise<SnapshotOfFiles> {
  const { name = basename(resolve(path)), signal, clean = true, metadata } = options;
  const survey = await surveyFiles(path);
  const parent =
    options.parent === null ? undefined : (options.parent ?? (await parentOf(store, name, survey)));
  const crewThreads = options.threads ?? defaultPageThreads();
  let crew: PageCrew | undefined;
  const writer = await store.begin({
    name,
    ...(parent === undefined ? {} : { parent }),
    regions: survey.files.map(({ name, byteLength, mode, modifiedMs }) => ({
      name,
      role: 'file' as const,
      byteLength,
      metadata: { mode, modifiedMs },
    })),
    compress: (bytes) => {
      if (crew === undefined) throw new RangeError('nothing was written yet');
      return crew.compress(bytes);
    },
  });
  try {
    crew = await PageCrew.start(crewThreads, {
      idPrefix: writer.idPrefix,
      compression: options.compression ?? 'lz4',
    });
    const all = survey.files.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const feeder = new Feeder(writer, crew, parent !== undefined, 3 * crewThreads, signal, (done) =>
      options.onProgress?.(done, all),
    );
    try {
      for (const [region, file] of survey.files.entries()) await feeder.feed(region, file);
      await feeder.settle();
    } finally {
      await feeder.close();
    }
    const changed = differenceOf(survey, await surveyFiles(path));
    if (changed !== undefined) {
      throw new FerryError('ERR_SOURCE_CHANGED', `${changed} changed while it was read`);
    }
    signal?.throwIfAborted();
    const snapshot = await writer.publish({
      clean,
      metadata: {
        isFolder: survey.isFolder,
        folders: survey.folders,
        ...(metadata === undefined ? {} : { user: metadata }),
      },
    });
    return {
      snapshot,
      parent,
      files: survey.files.length,
      byteLength: all,
      counts: { ...writer.counts },
    };
  } finally {
    await crew?.close();
    await writer.abandon();
  }
}

/** The newest of that name; or of a folder the newest that has one of its files. */
async function parentOf(
  store: Store,
  name: string,
  { isFolder, files }: Survey,
): Promise<SnapshotInfo | undefined> {
  const newest = [...(await store.snapshots())].reverse();
  const ofName = newest.find(({ manifest }) => manifest?.name === name);
  if (ofName !== undefined || !isFolder) return ofName;
  const names = new Set(files.map((file) => file.name));
  return newest.find(({ manifest }) => manifest?.regions.some((region) => names.has(region.name)));
}

/** Pages that are being looked at. */
interface Ahead {
  readonly region: number;
  readonly firstPage: number;
  readonly byteLength: number;
  readonly look: Promise<Look>;
  /** To be closed afterwards: the last pages of the file are among them. */
  readonly file: FileHandle | undefined;
}

/** Has pages looked at ahead of storing them, in order. */
class Feeder {
  readonly #writer: SnapshotWriter;
  readonly #crew: PageCrew;
  readonly #hasParent: boolean;
  readonly #ahead: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: (done: number) => void;
  /** Under way, in page order. */
  readonly #looks: Ahead[] = [];
  #done = 0;

  constructor(
    writer: SnapshotWriter,
    crew: PageCrew,
    hasParent: boolean,
    ahead: number,
    signal: AbortSignal | undefined,
    onProgress: (done: number) => void,
  ) {
    this.#writer = writer;
    this.#crew = crew;
    this.#hasParent = hasParent;
    this.#ahead = ahead;
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  async feed(region: number, { path, byteLength }: SurveyedFile): Promise<void> {
    if (byteLength === 0) return;
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
      (error: unknown) => {
        throw fileError(error, `cannot read ${path}`);
      },
    );
    for (let position = 0; position < byteLength; position += lookBytes) {
      const bytes = Math.min(lookBytes, byteLength - position);
      const isLast = position + bytes === byteLength;
      const order = { fd: handle.fd, position, byteLength: bytes };
      const look = this.#look(region, order);
      // Awaited in turn; that it failed is news then.
      look.catch(() => {});
      this.#looks.push({
        region,
        firstPage: position / STORE_PAGE_BYTES,
        byteLength: bytes,
        look,
        file: isLast ? handle : undefined,
      });
      if (this.#looks.length < this.#ahead) continue;
      try {
        await this.#storeNext();
      } catch (error) {
        if (!isLast) await handle.close();
        throw error;
      }
    }
  }

  async #look(
    region: number,
    order: { fd: number; position: number; byteLength: number },
  ): Promise<Look> {
    this.#signal?.throwIfAborted();
    if (!this.#hasParent) return this.#crew.look(order);
    const firstPage = order.position / STORE_PAGE_BYTES;
    const count = Math.ceil(order.byteLength / STORE_PAGE_BYTES);
    return this.#crew.look(order, await this.#writer.parentIds(region, firstPage, count));
  }

  /** Closes what is open still. */
  async close(): Promise<void> {
    for (const { look, file } of this.#looks.splice(0)) {
      await look.catch(() => {});
      await file?.close();
    }
  }

  /** Stores what was looked at. */
  async settle(): Promise<void> {
    while (this.#looks.length > 0) await this.#storeNext();
  }

  async #storeNext(): Promise<void> {
    const next = this.#looks.shift();
    if (next === undefined) return;
    try {
      await this.#store(next, await next.look);
    } finally {
      await next.file?.close();
    }
    this.#done += next.byteLength;
    this.#onProgress(this.#done);
  }

  async #store({ region, firstPage, byteLength }: Ahead, look: Look): Promise<void> {
    const { area, changed, release } = look;
    try {
      const writes: Promise<void>[] = [];
      for (let from = 0; from < changed; from += MAX_BATCH_PAGES) {
        const to = Math.min(changed, from + MAX_BATCH_PAGES);
        writes.push(
          this.#writer.write({
            region,
            pages: area.numbers.slice(from, to).map((page) => firstPage + page),
            ids: area.ids.subarray(from * PAGE_ID_BYTES, to * PAGE_ID_BYTES),
            bytes: area.pages.subarray(from * STORE_PAGE_BYTES, to * STORE_PAGE_BYTES),
          }),
        );
      }
      if (this.#hasParent)
        writes.push(
          ...this.#keep(
            region,
            firstPage,
            area.states.subarray(0, Math.ceil(byteLength / STORE_PAGE_BYTES)),
          ),
        );
      await Promise.all(writes);
    } finally {
      release();
    }
  }

  #keep(region: number, firstPage: number, states: Uint8Array): Promise<void>[] {
    const kept: Promise<void>[] = [];
    let from = states.indexOf(pageState.same);
    while (from >= 0) {
      let to = from + 1;
      while (states[to] === pageState.same) to += 1;
      kept.push(this.#writer.keep(region, firstPage + from, to - from));
      from = states.indexOf(pageState.same, to);
    }
    return kept;
  }
}
