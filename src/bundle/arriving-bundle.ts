import { chmod, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asFerryError, FerryError } from '../errors.js';
import { syncFolder, writeWhole } from '../guests/durable-file.js';
import type { FileDestination } from '../guests/file-destination.js';
import type { Guest, GuestIdentity } from '../guests/guest.js';
import type { PlaceLock } from '../guests/place-lock.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { bundleKind, dryRunFeature } from './bundle-guest.js';
import type { Commands } from './commission.js';
import type { ContentHash } from './content-hash.js';
import { type ConvertedFile, convertImages } from './converted-images.js';
import type { ImageFormat } from './image-format.js';
import { install } from './install.js';
import {
  checkPaths,
  formatManifest,
  type Manifest,
  maxManifestBytes,
  parseManifest,
} from './manifest.js';
import type { OfferedBundle } from './offered-bundle.js';
import { manifestName, olderOf, recordName } from './paths.js';
import { type BundleRecord, writeRecord } from './record.js';
import { readArrived, sha256 } from './registry.js';
import { removeStrays } from './staging.js';
import { checkIsSame } from './standing.js';

/** What a bundle is received with. */
export interface ArrivalOptions extends Commands {
  /** Largest disk that is made of a converted image, bytes. */
  readonly maxImage: number;
  /** How long what arrived of one that did not complete is kept, milliseconds; absent: not at all. */
  readonly keepMs?: number;
  /** One of the same name that is there is replaced. Default false: only the very same bundle is taken, and nothing done. */
  readonly replace?: boolean;
  /** Disk images of the other format become this one. */
  readonly convert?: ImageFormat;
}

export interface ArrivingFile {
  readonly path: string;
  readonly file: FileDestination;
  readonly hash: ContentHash;
  readonly region: Region;
}

/** What was made ready for a bundle. */
export interface OpenedBundle {
  readonly name: string;
  readonly place: string;
  readonly staging: string;
  /** A bundle is in the place already. */
  readonly isThere: boolean;
  readonly lock: PlaceLock | undefined;
  readonly arriving: readonly ArrivingFile[];
  readonly offer: OfferedBundle;
}

/** What became of a bundle here. */
export interface BundleOutcome {
  readonly name: string;
  readonly path: string;
  /** `unchanged`: the very same was here. */
  readonly state: BundleRecord['state'] | 'unchanged' | 'dry-run';
}

const halfway = 'its receiver ended before it was registered and checked';

/**
 * A bundle being received. Its state is the manifest, which has to agree with what came, file by file. To start it is to put it in its place, to register it and to check its health; what fails
 * takes it all back.
 */
export class BundleDestination implements Guest {
  readonly kind: string = bundleKind;
  readonly handsOver = false;
  readonly maxStateBytes: number = maxManifestBytes;
  readonly tracker: DirtyTracker = { exact: true, start() {}, take() {}, stop() {} };
  readonly regions: readonly Region[];
  readonly name: string;
  readonly place: string;
  readonly #opened: OpenedBundle;
  readonly #options: ArrivalOptions;
  readonly #interrupt = new AbortController();
  /** What was converted, by the path that it had. */
  #converted: ReadonlyMap<string, ConvertedFile> = new Map();
  #manifest: Manifest | undefined;
  #isSame = false;
  #starting: Promise<void> | undefined;
  #outcome: BundleOutcome['state'] | undefined;
  #isDiscarded = false;

  constructor(opened: OpenedBundle, options: ArrivalOptions) {
    this.name = opened.name;
    this.place = opened.place;
    this.#opened = opened;
    this.#options = options;
    this.regions = opened.arriving.map(({ region }) => region);
  }

  /** Undefined until it is over with success. */
  get outcome(): BundleOutcome | undefined {
    const state = this.#outcome;
    return state === undefined ? undefined : { name: this.name, path: this.place, state };
  }

  /** It ended without success, and what arrived is still there. */
  get isKept(): boolean {
    return this.#isDiscarded && this.#outcome === undefined && this.#options.keepMs !== undefined;
  }

  describe(): GuestIdentity {
    return { kind: this.kind, version: this.#opened.offer.version, features: [dryRunFeature] };
  }

  async pause(): Promise<void> {}

  async saveState(): Promise<Uint8Array> {
    throw new FerryError('ERR_GUEST', `${this.place} is opened to be received, not to be sent`);
  }

  /** Takes the manifest, and compares what came with it. ERR_OUT_OF_RANGE where it lies, ERR_DIGEST where a file is another. */
  async loadState(state: Uint8Array): Promise<void> {
    const manifest = parseManifest(state);
    const { name, files } = manifest;
    const { arriving, staging, isThere } = this.#opened;
    const agrees =
      name === this.name &&
      files.length === arriving.length &&
      arriving.every(({ path, region }, index) => {
        return files[index]?.path === path && files[index]?.bytes === region.byteLength;
      });
    if (!agrees) {
      throw new FerryError(
        'ERR_OUT_OF_RANGE',
        'verification: the manifest of the bundle is not of what was offered',
      );
    }
    // Of what was read back from the disk since it was last written.
    for (const [index, { path, region, hash }] of arriving.entries()) {
      const found = await hash.finish(region.byteLength, region.read);
      if (found === files[index]?.sha256) continue;
      throw new FerryError(
        'ERR_DIGEST',
        `verification: ${path} has another SHA-256 than the manifest says`,
      );
    }
    const { convert, maxImage, replace } = this.#options;
    this.#converted = new Map();
    if (convert !== undefined) {
      this.#converted = await convertImages(staging, files, convert, maxImage);
    }
    this.#manifest = {
      ...manifest,
      files: files.map((file) => this.#converted.get(file.path)?.file ?? file),
    };
    checkPaths(this.#manifest.files.map(({ path }) => path));
    if (!isThere || replace === true) return;
    await checkIsSame(this.place, this.#manifest);
    this.#isSame = true;
  }

  /** Puts the bundle in its place, registers it and checks its health; or throws it away, of a dry run. Rejects with why it is not there. */
  resume(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      throw asFerryError(error, 'ERR_START_FAILED');
    });
    return this.#starting;
  }

  /** Takes back what is not there for good. What arrived is removed, unless it is to be kept. Idempotent. */
  async discard(): Promise<void> {
    this.#interrupt.abort();
    await this.#starting?.catch(() => {});
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    await this.#clear(this.#options.keepMs !== undefined);
  }

  async #start(): Promise<void> {
    const manifest = this.#manifest;
    if (manifest === undefined || this.#isDiscarded) {
      throw new FerryError('ERR_GUEST', `what was received for ${this.place} is gone`);
    }
    const { staging, isThere, offer } = this.#opened;
    if (offer.features.includes(dryRunFeature)) return this.#end('dry-run');
    const was = isThere ? await readArrived(this.place) : undefined;
    if (this.#isSame && was?.record.state === 'registered') return this.#end('unchanged');
    const { session } = offer;
    const bytes = formatManifest(manifest);
    const record: BundleRecord = {
      state: 'unclean',
      why: manifest.clean ? halfway : 'it was not shut down in order',
      manifest: sha256(bytes),
      session,
      receivedAt: new Date().toISOString(),
    };
    await this.#complete(manifest, bytes, record);
    const told = { name: this.name, folder: this.place, session, manifest };
    await install(staging, told, record, was, this.#options, this.#interrupt.signal);
    await this.#end(manifest.clean ? 'registered' : 'unclean');
  }

  async #end(state: BundleOutcome['state']): Promise<void> {
    this.#outcome = state;
    this.#isDiscarded = true;
    // It is there, or gone, as it should be: that something could not be cleared away does not undo that.
    await this.#clear(false).catch(() => {});
  }

  /** All files under their names in the folder it arrives in, with what says what they are. */
  async #complete(manifest: Manifest, bytes: Uint8Array, record: BundleRecord): Promise<void> {
    const { arriving, staging } = this.#opened;
    for (const { file } of arriving) await file.resume();
    for (const [path, { file, at }] of this.#converted) {
      await rename(at, join(staging, file.path));
      if (path !== file.path) await rm(join(staging, path));
    }
    for (const { path, mode } of manifest.files) await chmod(join(staging, path), mode);
    await writeWhole(join(staging, manifestName), bytes);
    await writeRecord(staging, record);
    const paths = manifest.files.map(({ path }) => path);
    await removeStrays(staging, new Set([...paths, manifestName, recordName]));
  }

  /** Lets go of everything; the folder it arrived in goes too, unless it is `kept`. */
  async #clear(kept: boolean): Promise<void> {
    const { arriving, staging, lock } = this.#opened;
    try {
      await Promise.allSettled(arriving.map(({ file }) => file.discard()));
      if (!kept) {
        await rm(staging, { recursive: true, force: true });
        if (this.#outcome === 'registered')
          await rm(olderOf(this.place), { recursive: true, force: true });
        await syncFolder(dirname(this.place));
      }
    } finally {
      await lock?.release();
    }
  }
}
