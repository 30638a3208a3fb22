import { rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type FileDestinationOptions, fileDestination } from '../guests/file-destination.js';
import { fileError } from '../guests/file-io.js';
import { lockPlace, type PlaceLock } from '../guests/place-lock.js';
import { type ArrivalOptions, type ArrivingFile, BundleDestination } from './arriving-bundle.js';
import { ContentHash, hashedRegion } from './content-hash.js';
import { checkFeatures, type OfferedBundle, splitNames } from './offered-bundle.js';
import { fileIn } from './paths.js';
import { makeFolders, openStaging, recover } from './staging.js';
import { isStanding } from './standing.js';

export interface BundleDestinationOptions extends ArrivalOptions {
  /** Where bundles arrive, each in a folder under its own name. */
  readonly outDir: string;
  /** What there is of file `path` of bundle `name`: what of it is the same is not sent. */
  readonly baseOf?: (name: string, path: string) => Promise<FileDestinationOptions['base']>;
  /** Its files may be longer than the disk has room for. */
  readonly sparse?: boolean;
}

/**
 * Makes ready to receive the bundle that is offered. Until it is complete it is in `.NAME.pageferry-bundle` beside its place. ERR_OUT_OF_RANGE for names that would lead elsewhere,
 * ERR_INCOMPATIBLE, ERR_BUSY while another process receives it, ERR_IO where something else is in its place, ERR_DISK_FULL.
 */
export async function bundleDestination(
  offer: OfferedBundle,
  options: BundleDestinationOptions,
): Promise<BundleDestination> {
  const { name, paths } = splitNames(offer);
  checkFeatures(offer);
  const place = join(resolve(options.outDir), name);
  const arriving: ArrivingFile[] = [];
  let lock: PlaceLock | undefined;
  let staging: string | undefined;
  try {
    const { dev, ino } = await stat(options.outDir, { bigint: true });
    lock = await lockPlace(dev, ino, name);
    await recover(place);
    const replaces = options.replace === true;
    const changes = options.convert !== undefined;
    const isThere = await isStanding(place, offer, paths, { replaces, changes });
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
