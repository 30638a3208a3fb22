import { basename, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { checkAborted } from './check-aborted.js';
import { differenceOf, type Survey, surveyFiles } from './file-survey.js';
import { type PageCrew, startCrew } from './page-crew.js';
import { PageFeeder } from './page-feeder.js';
import type { Json, SnapshotInfo, Store, WriterCounts } from './types.js';

export interface SnapshotFilesOptions {
  /** Of the snapshot. Default: the last part of the path. */
  readonly name?: string;
  /** What pages are compared with. Default: the newest snapshot of that name, or else, of a folder, the newest that has a file of the same name; null: none. */
  readonly parent?: SnapshotInfo | null;
  /** Threads that read, hash and compress, 1 to 4. Default: one a processor. */
  readonly threads?: number;
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
  // Threads take as long to start as everything else does before their first order.
  const { crew, end } = startCrew(options.threads);
  try {
    return await snapshotBy(crew, store, path, options);
  } finally {
    await end();
  }
}

async function snapshotBy(
  crew: Promise<PageCrew>,
  store: Store,
  path: string,
  options: SnapshotFilesOptions,
): Promise<SnapshotOfFiles> {
  const { name = basename(resolve(path)) } = options;
  const survey = await surveyFiles(path);
  const parent =
    options.parent === null ? undefined : (options.parent ?? (await parentOf(store, name, survey)));
  const found = { ...options, name, survey, crew };
  try {
    return await storeFiles(store, path, { ...found, parent });
  } catch (error) {
    if (!(error instanceof FerryError && error.code === 'ERR_BUSY') || parent === undefined) {
      throw error;
    }
    // A prune took pages of the parent's meanwhile: without it they are stored again, as far as they are nowhere else.
    return storeFiles(store, path, { ...found, parent: undefined });
  }
}

async function storeFiles(
  store: Store,
  path: string,
  options: Omit<SnapshotFilesOptions, 'parent'> & {
    readonly name: string;
    readonly parent: SnapshotInfo | undefined;
    readonly survey: Survey;
    readonly crew: Promise<PageCrew>;
  },
): Promise<SnapshotOfFiles> {
  const { name, parent, signal, clean = true, metadata, survey } = options;
  const writer = await store.begin({
    name,
    ...(parent === undefined ? {} : { parent }),
    regions: survey.files.map(({ name, byteLength, mode, modifiedMs }) => ({
      name,
      role: 'file' as const,
      byteLength,
      metadata: { mode, modifiedMs },
    })),
  });
  try {
    const prints = await writer.fingerprints();
    const crew = await options.crew;
    crew.begin({ idPrefix: writer.idPrefix, ...(prints && { printSecret: prints.secret }) });
    const all = survey.files.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const feeder = new PageFeeder(writer, crew, {
      hasParent: parent !== undefined,
      prints,
      compression: store.compression,
      ahead: 3 * crew.threads,
      signal,
      onProgress: (done) => options.onProgress?.(done, all),
    });
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
    checkAborted(signal);
    const snapshot = await writer.publish({
      clean,
      metadata: {
        isFolder: survey.isFolder,
        mode: survey.mode,
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
