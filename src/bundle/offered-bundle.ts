import { FerryError } from '../errors.js';
import { dryRunFeature } from './bundle-guest.js';
import { checkPaths, manifestVersion } from './manifest.js';
import { checkName } from './paths.js';

/** What is known of a bundle before anything of it arrives: a region for each file, named NAME/PATH. */
export interface OfferedBundle {
  readonly session: string;
  readonly version: string;
  readonly features: readonly string[];
  readonly regions: readonly {
    readonly id: number;
    readonly name: string;
    readonly byteLength: number;
  }[];
}

/** ERR_OUT_OF_RANGE for names that would lead elsewhere. */
export function splitNames({ regions }: OfferedBundle): {
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

/** ERR_INCOMPATIBLE for a bundle of another version, or with a feature that nobody here knows. */
export function checkFeatures({ version, features }: OfferedBundle): void {
  const unknown = features.find((feature) => feature !== dryRunFeature);
  if (version === `${manifestVersion}` && unknown === undefined) return;
  throw new FerryError('ERR_INCOMPATIBLE', `a bundle of version ${version} ${unknown ?? ''}`);
}
