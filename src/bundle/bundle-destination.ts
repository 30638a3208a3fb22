import { chmod, lstat, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { asFerryError, FerryError } from '../errors.js';
import {
  type FileDestination,
  type FileDestinationOptions,
  fileDestination,
} from '../guests/file-destination.js';
import { fileError } from '../guests/file-io.js';
import type { Guest, GuestIdentity } from '../guests/guest.js';
import { partialPathOf } from '../guests/partial-file.js';
import { lockPlace, type PlaceLock } from '../guests/place-lock.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { bundleKind, dryRunFeature } from './bundle-guest.js';
import { type Commands, commission, dismiss } from './commission.js';
import { ContentHash, hashedRegion } from './content-hash.js';
import { convertedPath, convertImage, type ImageFormat } from './image-format.js';
import {
  type BundleFile,
  checkPaths,
  formatManifest,
  type Manifest,
  manifestVersion,
  maxManifestBytes,
  parseManifest,
} from './manifest.js';
import { checkName, fileIn, kindAt, manifestName, olderOf, recordName } from './paths.js';
import { type BundleRecord, readRecord, syncFolder, writeRecord, writeWhole } from './record.js';
import { firstWrong, readArrived, sha256 } from './registry.js';
import { makeFolders, openStaging, recover, removeStrays, swapIn, swapOut } from './staging.js';

export interface BundleDestinationOptions extends Commands {
  /** Where bundles arrive, each in a folder under its own name. */
  readonly outDir: string;
  /** Largest disk that is made of a converted image, bytes. */
  readonly maxImage: number;
  /** What there is of file `path` of bundle `name`: what of it is the same is not sent. */
  readonly baseOf?: (name: string, path: string) => Promise<FileDestinationOptions['base']>;
  /** How long what arrived of one that did not complete is kept, milliseconds; absent: not at all. */
  readonly keepMs?: number;
  /** Its files may be longer than the disk has room for. */
  readonly sparse?: boolean;
  /** One of the same name that is there is replaced. Default false: only the very same bundle is taken, and nothing done. */
  readonly replace?: boolean;
  /** Disk images of the other format become this one. */
  readonly convert?: ImageFormat;
}

interface OfferedBundle {
  readonly session: string;
  readonly version: string;
  readonly features: readonly string[];
  readonly regions: readonly {
    readonly id: number;
    readonly name: string;
    readonly byteLength: number;
  }[];
}

interface ArrivingFile {
  readonly path: string;
  readonly file: FileDestination;
  readonly hash: ContentHash;
  readonly region: Region;
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
 * Makes ready to receive the bundle that is offered. Until it is complete it is in `.NAME.pageferry-bundle` beside its place. ERR_OUT_OF_RANGE for names that would lead elsewhere,
 * ERR_BUSY while another process receives it, ERR_IO where something else is in its place, ERR_DISK_FULL.
 */
export async function bundleDestination(
  offer: OfferedBundle,
  options: BundleDestinationOptions,
): Promise<BundleDestination> {
  const { name, paths } = splitNames(offer);
  const unknown = offer.features.find((feature) => feature !== dryRunFeature);
  if (offer.version !== `${manifestVersion}` || unknown !== undefined) {
    throw new FerryError(
      'ERR_INCOMPATIBLE',
      `a bundle of version ${offer.version} ${unknown ?? ''}`,
    );
  }
  const place = join(resolve(options.outDir), name);
  const arriving: ArrivingFile[] = [];
  let lock: PlaceLock | undefined;
  let staging: string | undefined;
  try {
    const { dev, ino } = await stat(options.outDir, { bigint: true });
    lock = await lockPlace(dev, ino, name);
    await recover(place);
    const isThere = await checkPlace(place, offer, paths, options);
    staging = await openStaging(place);
    for (const [index, path] of paths.entries()) {
      const { id, byteLength } = offer.regions[index] ?? { id: -1, byteLength: 0 };
      const base =
        (await fileIn(staging, path)) ??
        (await fileIn(place, path)) ??
        (await options.baseOf?.(name, path));
      await makeFolders(staging, path);
      const file = await fileDestination(join(staging, path), {
        ...{ id, name: `${name}/${path}`, byteLength },
        keepPartial: options.keepMs !== undefined,
        reuseMs: options.keepMs ?? Number.POSITIVE_INFINITY,
        sparse: options.sparse === true,
        ...(base === undefined ? {} : { base }),
      });
      const [region] = file.regions;
      const hash = new ContentHash();
      if (region !== undefined) {
        arriving.push({ path, file, hash, region: hashedRegion(region, hash) });
      }
    }
    return new BundleDestination({ name, place, staging, isThere, lock, arriving, offer }, options);
  } catch (error) {
    await Promise.allSettled(arriving.map(({ file }) => file.discard()));
    if (staging !== undefined && options.keepMs === undefined) {
      await rm(staging, { recursive: true, force: true }).catch(() => {});
    }
    await lock?.release();
    throw fileError(error, `cannot receive ${place}`);
  }
}

/** NAME/PATH of each region. */
function splitNames({ regions }: OfferedBundle): {
  readonly name: string;
  readonly paths: readonly string[];
} {
  const [first = ''] = regions[0]?.name.split('/') ?? [];
  const paths = regions.map((region) => region.name.slice(first.length + 1));
  if (regions.some((region) => !region.name.startsWith(`${first}/`))) {
    throw new FerryError('ERR_OUT_OF_RANGE', 'files of more than one bundle are offered');
  }
  checkName(first);
  checkPaths(paths);
  return { name: first, paths };
}

/** Whether a bundle is there already. ERR_IO for what will not be replaced; said now where that can be known without its content. */
async function checkPlace(
  place: string,
  { regions }: OfferedBundle,
  paths: readonly string[],
  { replace, convert }: BundleDestinationOptions,
): Promise<boolean> {
  const kind = await kindAt(place);
  if (kind === undefined) return false;
  if (kind !== 'folder' || (await readRecord(place)) === undefined) {
    throw new FerryError('ERR_IO', `${place} is there, and is no bundle that arrived`);
  }
  if (replace === true) return true;
  for (const [index, path] of paths.entries()) {
    const here = await fileIn(place, path);
    const size = here === undefined ? undefined : (await lstat(here)).size;
    if (convert === undefined && size !== regions[index]?.byteLength) throw isOther(place);
  }
  return true;
}

function isOther(place: string): FerryError {
  return new FerryError(
    'ERR_IO',
    `another bundle is at ${place}: only receive --replace replaces it`,
  );
}

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
  readonly #staging: string;
  readonly #isThere: boolean;
  readonly #lock: PlaceLock | undefined;
  readonly #arriving: readonly ArrivingFile[];
  readonly #offer: OfferedBundle;
  readonly #options: BundleDestinationOptions;
  readonly #interrupt = new AbortController();
  /** What was converted: by the path that it had, the file that it is now. */
  #converted = new Map<string, { readonly file: BundleFile; readonly at: string }>();
  #manifest: Manifest | undefined;
  #isSame = false;
  #starting: Promise<void> | undefined;
  #outcome: BundleOutcome['state'] | undefined;
  #isDiscarded = false;

  constructor(
    opened: {
      readonly name: string;
      readonly place: string;
      readonly staging: string;
      readonly isThere: boolean;
      readonly lock: PlaceLock | undefined;
      readonly arriving: readonly ArrivingFile[];
      readonly offer: OfferedBundle;
    },
    options: BundleDestinationOptions,
  ) {
    this.name = opened.name;
    this.place = opened.place;
    this.#staging = opened.staging;
    this.#isThere = opened.isThere;
    this.#lock = opened.lock;
    this.#arriving = opened.arriving;
    this.#offer = opened.offer;
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

  /** A bundle that was well is not checked again because another failed. */
  get #registerOnly(): Commands {
    const { register } = this.#options;
    return register === undefined ? {} : { register };
  }

  describe(): GuestIdentity {
    return { kind: this.kind, version: this.#offer.version, features: [dryRunFeature] };
  }

  async pause(): Promise<void> {}

  async saveState(): Promise<Uint8Array> {
    throw new FerryError('ERR_GUEST', `${this.place} is opened to be received, not to be sent`);
  }

  /** Takes the manifest, and compares what came with it. ERR_OUT_OF_RANGE where it lies, ERR_DIGEST where a file is another. */
  async loadState(state: Uint8Array): Promise<void> {
    const manifest = parseManifest(state);
    const { name, files } = manifest;
    const agrees =
      name === this.name &&
      files.length === this.#arriving.length &&
      this.#arriving.every(({ path, region }, index) => {
        return files[index]?.path === path && files[index]?.bytes === region.byteLength;
      });
    if (!agrees) {
      throw new FerryError(
        'ERR_OUT_OF_RANGE',
        'verification: the manifest of the bundle is not of what was offered',
      );
    }
    // Of what was read back from the disk since it was last written.
    for (const [index, { path, region, hash }] of this.#arriving.entries()) {
      const found = await hash.finish(region.byteLength, region.read);
      if (found === files[index]?.sha256) continue;
      throw new FerryError(
        'ERR_DIGEST',
        `verification: ${path} has another SHA-256 than the manifest says`,
      );
    }
    await this.#convert(files);
    this.#manifest = {
      ...manifest,
      files: files.map((file) => this.#converted.get(file.path)?.file ?? file),
    };
    checkPaths(this.#manifest.files.map(({ path }) => path));
    if (this.#isThere && this.#options.replace !== true) await this.#compare(this.#manifest);
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
    if (this.#offer.features.includes(dryRunFeature)) {
      return this.#end('dry-run');
    }
    const was = this.#isThere ? await readArrived(this.place) : undefined;
    if (this.#isSame && was?.record.state === 'registered') {
      return this.#end('unchanged');
    }
    const bytes = formatManifest(manifest);
    const record: BundleRecord = {
      state: 'unclean',
      why: manifest.clean ? halfway : 'it was not shut down in order',
      manifest: sha256(bytes),
      session: this.#offer.session,
      receivedAt: new Date().toISOString(),
    };
    await this.#complete(manifest, bytes, record);
    const told = { name: this.name, folder: this.place, session: this.#offer.session, manifest };
    const wasTold =
      was?.record.state === 'registered'
        ? { ...told, session: was.record.session, manifest: was.manifest }
        : undefined;
    try {
      if (wasTold !== undefined) await dismiss(this.#options, wasTold);
      await swapIn(this.#staging, this.place);
    } catch (error) {
      if (wasTold !== undefined) await commission(this.#registerOnly, wasTold);
      throw error;
    }
    if (manifest.clean) {
      try {
        await commission(this.#options, told, this.#interrupt.signal);
        await writeRecord(this.place, { ...record, state: 'registered', why: '' });
      } catch (error) {
        await swapOut(this.#staging, this.place);
        if (wasTold !== undefined) await commission(this.#registerOnly, wasTold);
        throw error;
      }
    }
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
    for (const { file } of this.#arriving) await file.resume();
    for (const [path, { file, at }] of this.#converted) {
      await rename(at, join(this.#staging, file.path));
      if (path !== file.path) await rm(join(this.#staging, path));
    }
    for (const { path, mode } of manifest.files) await chmod(join(this.#staging, path), mode);
    await writeWhole(join(this.#staging, manifestName), bytes);
    await writeRecord(this.#staging, record);
    const paths = manifest.files.map(({ path }) => path);
    await removeStrays(this.#staging, new Set([...paths, manifestName, recordName]));
  }

  /** What lies there has to be this very bundle. */
  async #compare(manifest: Manifest): Promise<void> {
    const here = await readArrived(this.place);
    const isSame =
      here.record.manifest === sha256(formatManifest(manifest)) &&
      (await firstWrong(this.place, here.manifest)) === undefined;
    if (!isSame) throw isOther(this.place);
    this.#isSame = true;
  }

  async #convert(files: readonly BundleFile[]): Promise<void> {
    this.#converted = new Map();
    const { convert, maxImage } = this.#options;
    if (convert === undefined) return;
    const other: ImageFormat = convert === 'raw' ? 'qcow2' : 'raw';
    for (const file of files) {
      if (file.format !== other) continue;
      const from = join(this.#staging, file.path);
      const at = join(dirname(from), `.${file.path.split('/').at(-1)}.pageferry-converted`);
      const image = { path: partialPathOf(from), format: other };
      const made = await convertImage(image, { path: at, format: convert }, maxImage);
      const path = convertedPath(file.path, convert);
      this.#converted.set(file.path, { file: { ...file, ...made, path, format: convert }, at });
    }
  }

  /** Lets go of everything; the folder it arrived in goes too, unless it is `kept`. */
  async #clear(kept: boolean): Promise<void> {
    try {
      await Promise.allSettled(this.#arriving.map(({ file }) => file.discard()));
      if (!kept) {
        await rm(this.#staging, { recursive: true, force: true });
        if (this.#outcome === 'registered')
          await rm(olderOf(this.place), { recursive: true, force: true });
        await syncFolder(dirname(this.place));
      }
    } finally {
      await this.#lock?.release();
    }
  }
}
