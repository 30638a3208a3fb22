import { lstat, rename, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { syncFolder } from '../guests/durable-file.js';
import { type FileGuest, fileGuest } from '../guests/file.js';
import { fileError } from '../guests/file-io.js';
import type { Guest, GuestIdentity } from '../guests/guest.js';
import { lockPlace, type PlaceLock } from '../guests/place-lock.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { ContentHash, hashedRegion } from './content-hash.js';
import {
  type BundleFile,
  checkPaths,
  type Description,
  formatManifest,
  type Manifest,
  manifestVersion,
  maxManifestBytes,
} from './manifest.js';
import { checkName, kindAt } from './paths.js';
import { readRecord } from './record.js';
import { listFiles, readDescription } from './source-files.js';

export const bundleKind = 'bundle';
/** In the offer's features: the destination is to throw away what it received and verified. */
export const dryRunFeature = 'dry-run';

export interface BundleGuestOptions {
  /** The folder keeps its name when the bundle has arrived. Default false: it is set aside before the destination may register it. */
  readonly keepSource?: boolean;
  /** All of it is done but for the end: the destination discards what came. */
  readonly dryRun?: boolean;
  /** False: it was not shut down in order. Default true. */
  readonly clean?: boolean;
}

interface OpenFile {
  readonly guest: FileGuest;
  readonly region: Region;
  readonly hash: ContentHash;
  readonly about: Omit<BundleFile, 'sha256'>;
}

const stillTracker: DirtyTracker = { exact: true, start() {}, take() {}, stop() {} };
const longestRegionName = 255;
/** Of all region names: an offer is one frame. */
const mostNameBytes = 96 * 1024;

/** What a bundle's folder is called from when the destination may have it until that is known. */
export function movingOf(folder: string): string {
  return `${resolve(folder)}.moving`;
}

/**
 * Opens the folder at `path` to be sent as a bundle: every file in it, and what `bundle.json` says. Where only what an earlier send set aside is there, that. ERR_IO, ERR_UNSUPPORTED,
 * ERR_OUT_OF_RANGE for what cannot be one; ERR_BUSY while another process sends it.
 */
export async function bundleGuest(
  path: string,
  options: BundleGuestOptions = {},
): Promise<BundleGuest> {
  const folder = resolve(path);
  const wasAside =
    (await kindAt(folder)) === undefined && (await kindAt(movingOf(folder))) === 'folder';
  const place = wasAside ? movingOf(folder) : folder;
  if ((await kindAt(place)) !== 'folder') {
    throw new FerryError('ERR_IO', `cannot send ${folder}: it is not a folder`);
  }
  const { dev, ino } = await stat(place, { bigint: true });
  const lock = await lockPlace(dev, ino, 'bundle');
  const files: OpenFile[] = [];
  try {
    const { clean, ...description } = await readDescription(place);
    const record = await readRecord(place);
    const name = description.name ?? basename(folder);
    checkName(name);
    const paths = await listFiles(place);
    checkPaths(paths);
    const names = paths.map((each) => `${name}/${each}`);
    checkNames(names);
    const missing = description.files.find((file) => !paths.includes(file.path ?? ''));
    if (missing !== undefined) {
      throw new FerryError(
        'ERR_IO',
        `bundle.json names ${missing.path}, which is not in ${folder}`,
      );
    }
    for (const [id, each] of paths.entries()) {
      files.push(
        await openFile(join(place, each), { id, name: names[id] ?? '' }, each, description),
      );
    }
    const isClean = (options.clean ?? true) && clean !== false && record?.state !== 'unclean';
    return new BundleGuest(
      { folder, wasAside, lock, files, description, name },
      { ...options, clean: isClean },
    );
  } catch (error) {
    await Promise.allSettled(files.map(({ guest }) => guest.close()));
    await lock?.release();
    throw fileError(error, `cannot send ${folder}`);
  }
}

/** ERR_OUT_OF_RANGE for what an offer has no room for. */
function checkNames(names: readonly string[]): void {
  const bytes = names.map((name) => Buffer.byteLength(name));
  const sum = bytes.reduce((all, each) => all + each, 0);
  if (sum <= mostNameBytes && bytes.every((each) => each <= longestRegionName)) return;
  throw new FerryError(
    'ERR_OUT_OF_RANGE',
    `the names of ${names.length} files are too long for a bundle`,
  );
}

async function openFile(
  path: string,
  region: { readonly id: number; readonly name: string },
  name: string,
  description: Description,
): Promise<OpenFile> {
  const guest = await fileGuest(path, { region });
  try {
    const [inner] = guest.regions;
    if (inner === undefined) throw new RangeError('a file has one region');
    const hash = new ContentHash();
    const magic = new Uint8Array(Math.min(4, inner.byteLength));
    await inner.read(0, magic);
    const said = description.files.find((file) => file.path === name);
    const format = said?.format ?? formatOf(name, magic);
    const role = said?.role ?? (format === 'bytes' ? 'file' : 'disk');
    const mode = said?.mode ?? (await lstat(path)).mode & 0o777;
    const about = { path: name, role, format, bytes: inner.byteLength, mode };
    return { guest, region: hashedRegion(inner, hash), hash, about };
  } catch (error) {
    await guest.close();
    throw error;
  }
}

/** By its content, else by its name; the operator knows better. */
function formatOf(name: string, magic: Uint8Array): string {
  if (Buffer.from(magic).equals(Buffer.from('QFI\xfb', 'latin1'))) return 'qcow2';
  return /\.(img|raw)$/.test(name) ? 'raw' : 'bytes';
}

/** Where a bundle's folder is once its migration ended. */
export interface Settled {
  readonly state: 'kept' | 'moved' | 'moving';
  readonly path: string;
}

/**
 * A bundle as the source of a cold migration: a region for each file, the manifest as state. Nothing about the files is changed. Before the destination may register it
 * its folder gets another name, so that nothing here starts it as well; `settle` gives it its last one.
 */
export class BundleGuest implements Guest {
  readonly kind: string = bundleKind;
  readonly handsOver = false;
  readonly motion = 'still';
  readonly maxStateBytes: number = maxManifestBytes;
  readonly tracker: DirtyTracker = stillTracker;
  readonly regions: readonly Region[];
  readonly name: string;
  readonly folder: string;
  readonly #files: readonly OpenFile[];
  readonly #description: Description;
  readonly #options: BundleGuestOptions;
  readonly #lock: PlaceLock | undefined;
  readonly #wasAside: boolean;
  #isAside: boolean;
  #closed = false;

  constructor(
    opened: {
      readonly folder: string;
      readonly wasAside: boolean;
      readonly lock: PlaceLock | undefined;
      readonly files: readonly OpenFile[];
      readonly description: Description;
      readonly name: string;
    },
    options: BundleGuestOptions,
  ) {
    this.folder = opened.folder;
    this.name = opened.name;
    this.#lock = opened.lock;
    this.#files = opened.files;
    this.#description = opened.description;
    this.#options = options;
    this.#wasAside = opened.wasAside;
    this.#isAside = opened.wasAside;
    this.regions = opened.files.map(({ region }) => region);
  }

  describe(): GuestIdentity {
    const features = this.#options.dryRun === true ? [dryRunFeature] : [];
    return { kind: this.kind, version: `${manifestVersion}`, features };
  }

  /** ERR_SOURCE_CHANGED unless the same files are there, as they were. */
  async pause(): Promise<void> {
    for (const { guest } of this.#files) guest.checkUnchanged();
    const now = await listFiles(this.#isAside ? movingOf(this.folder) : this.folder);
    if (now.join('\0') === this.#files.map(({ about }) => about.path).join('\0')) return;
    throw new FerryError(
      'ERR_SOURCE_CHANGED',
      `${this.folder} has other files than when it was opened`,
    );
  }

  async resume(): Promise<void> {}

  /** The manifest. From here on the destination may be told to take over: the folder is set aside first. */
  async saveState(): Promise<Uint8Array> {
    const files: BundleFile[] = [];
    for (const { region, hash, about } of this.#files) {
      files.push({ ...about, sha256: await hash.finish(about.bytes, region.read) });
    }
    const { clean = true, keepSource, dryRun } = this.#options;
    const manifest: Manifest = { ...this.#description, name: this.name, clean, files };
    const bytes = formatManifest(manifest);
    if (keepSource !== true && dryRun !== true && !this.#isAside) {
      await this.#rename(this.folder, movingOf(this.folder), true);
    }
    return bytes;
  }

  async loadState(): Promise<void> {
    throw new FerryError('ERR_GUEST', `${this.folder} is opened to be sent, not to be received`);
  }

  /**
   * The migration is over: with success, with an error, or nobody knows how. The folder gets its name back, or one that says that it has moved, and when; where nobody knows,
   * and where that was so before, it stays aside. Nothing is deleted.
   */
  async settle(outcome: 'arrived' | 'failed' | 'unknown'): Promise<Settled> {
    const { folder } = this;
    if (!this.#isAside) return { state: 'kept', path: folder };
    const aside = movingOf(folder);
    const { keepSource, dryRun } = this.#options;
    const stays = outcome === 'failed' ? this.#wasAside : keepSource === true || dryRun === true;
    if (outcome === 'unknown' || stays) {
      return { state: 'moving', path: aside };
    }
    if (outcome === 'failed') {
      await this.#rename(aside, folder, false);
      return { state: 'kept', path: folder };
    }
    const path = `${folder}.moved-${new Date().toISOString().replace(/[:.]/g, '-')}`;
    await this.#rename(aside, path, false);
    return { state: 'moved', path };
  }

  /** Where its folder is while the destination may have it. */
  get aside(): string {
    return movingOf(this.folder);
  }

  /** Closes the files. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#files.map(({ guest }) => guest.close()));
    await this.#lock?.release();
  }

  async #rename(from: string, to: string, isAside: boolean): Promise<void> {
    try {
      if ((await kindAt(to)) !== undefined) throw new Error('something else is there');
      await rename(from, to);
      this.#isAside = isAside;
      await syncFolder(dirname(to));
    } catch (error) {
      throw fileError(error, `cannot rename ${from} to ${to}`);
    }
  }
}
