import type { BigIntStats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';

/** Longest tick of the clock that stamps files. Two writes within one may carry the same time. */
const stampTickMs = 10;
/** What a name becomes in JavaScript that is not UTF-8. */
const replacement = '\ufffd';

/** Of a file that is stored alone: it may be called otherwise the next time, and is the same one. */
export const soleFileName = 'file';

/** A file as it is to be stored, and what changes when it does. */
export interface SurveyedFile {
  /** Relative, with "/". */
  readonly name: string;
  readonly path: string;
  readonly byteLength: number;
  /** Permission bits. */
  readonly mode: number;
  readonly modifiedMs: number;
  /** Differs if the file was written, replaced, truncated or renamed over. */
  readonly stamp: string;
}

export interface Survey {
  readonly isFolder: boolean;
  /** Of the folder itself: permission bits. */
  readonly mode: number;
  /** By name. */
  readonly files: readonly SurveyedFile[];
  /** Folders below, by name, the upper ones first. */
  readonly folders: readonly { readonly name: string; readonly mode: number }[];
}

/**
 * Finds what is to be stored of the file, or of everything in the folder, at `path`. Waits until no later write can leave a stamp as it is. ERR_IO;
 * ERR_UNSUPPORTED for what is no file and no folder, and for names that are not UTF-8.
 */
export async function surveyFiles(path: string): Promise<Survey> {
  for (;;) {
    const startedAt = Date.now();
    const survey = new Surveyor();
    try {
      await survey.begin(path);
    } catch (error) {
      throw fileError(error, `cannot read ${path}`);
    }
    const ageMs = startedAt - survey.newestMs;
    if (ageMs < 0 || ageMs > stampTickMs) return survey;
    await sleep(stampTickMs + 1);
  }
}

/** What differs between two surveys of the same place: a name, or undefined if nothing does. */
export function differenceOf(before: Survey, after: Survey): string | undefined {
  const stamps = new Map(after.files.map(({ name, stamp }) => [name, stamp]));
  const changed = before.files.find(({ name, stamp }) => stamps.get(name) !== stamp);
  if (changed !== undefined) return changed.name;
  const names = new Set([...before.files, ...before.folders].map(({ name }) => name));
  return [...after.files, ...after.folders].find(({ name }) => !names.has(name))?.name;
}

class Surveyor implements Survey {
  isFolder = false;
  mode = 0;
  readonly files: SurveyedFile[] = [];
  readonly folders: { name: string; mode: number }[] = [];
  /** When what changed last did. */
  newestMs = 0;

  /** A symbolic link that was named by the caller is followed; those inside a folder are not. */
  async begin(path: string): Promise<void> {
    const stats = await stat(path, { bigint: true });
    this.isFolder = stats.isDirectory();
    this.mode = Number(stats.mode) & 0o7777;
    if (this.isFolder) return this.#enter(path, '');
    this.#add(path, soleFileName, stats);
  }

  async #enter(folder: string, prefix: string): Promise<void> {
    for (const entry of (await readdir(folder)).sort()) {
      const name = prefix + entry;
      if (entry.includes(replacement)) {
        throw new FerryError('ERR_UNSUPPORTED', `${join(folder, entry)}: its name is not UTF-8`);
      }
      const path = join(folder, entry);
      const stats = await lstat(path, { bigint: true });
      if (!stats.isDirectory()) {
        this.#add(path, name, stats);
        continue;
      }
      this.folders.push({ name, mode: Number(stats.mode) & 0o7777 });
      await this.#enter(path, `${name}/`);
    }
  }

  #add(path: string, name: string, stats: BigIntStats): void {
    if (!stats.isFile()) {
      throw new FerryError('ERR_UNSUPPORTED', `${path} is neither a file nor a folder`);
    }
    const { size, mtimeNs, ctimeNs, ino, dev } = stats;
    this.newestMs = Math.max(this.newestMs, Number(ctimeNs / 1_000_000n));
    this.files.push({
      name,
      path,
      byteLength: Number(size),
      mode: Number(stats.mode) & 0o7777,
      modifiedMs: Number(mtimeNs / 1_000_000n),
      stamp: `${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`,
    });
  }
}
