import { FerryError } from '../errors.js';
import { pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';

/** A region that grew, appeared, or vanished (byteLength -1). */
export interface RegionChange {
  readonly id: number;
  readonly name: string;
  readonly byteLength: number;
}

/** A region as the destination was told of it. */
export interface KnownRegion {
  readonly region: Region;
  readonly byteLength: number;
  /** Its pages at its maximum. */
  readonly capacityPages: number;
}

/** What is done about a change; afterwards `byteLength` is what the destination is told. */
export interface RegionKeeper<K extends KnownRegion> {
  vanished(known: K): void;
  grew(known: K, byteLength: number): void;
  appeared(region: Region): K;
}

/**
 * Follows a guest's list of regions: has `keeper` do what changed since they were `known`, and gives it ascending by id. Another object is another
 * region: under an id that was in use it vanishes, then appears. ERR_SOURCE_CHANGED if a region shrank, ERR_REGION_TOO_LARGE beyond its maximum.
 */
export function followRegions<K extends KnownRegion>(
  known: readonly K[],
  regions: readonly Region[],
  keeper: RegionKeeper<K>,
): RegionChange[] {
  const changes: RegionChange[] = [];
  const present = new Map(regions.map((region) => [region.id, region]));
  for (const each of known) {
    const { region } = each;
    const { id, name } = region;
    if (present.get(id) !== region) {
      keeper.vanished(each);
      changes.push({ id, name, byteLength: -1 });
      continue;
    }
    present.delete(id);
    const grown = grownLength(each);
    if (grown === undefined) continue;
    keeper.grew(each, grown);
    changes.push({ id, name, byteLength: each.byteLength });
  }
  for (const region of present.values()) {
    const { byteLength } = keeper.appeared(region);
    changes.push({ id: region.id, name: region.name, byteLength });
  }
  // The sort is stable: an id that was given anew vanishes before it appears.
  return changes.sort((a, b) => a.id - b.id);
}

function grownLength({ region, byteLength, capacityPages }: KnownRegion): number | undefined {
  const present = region.byteLength;
  if (present === byteLength) return undefined;
  const what = `region ${region.id} "${region.name}"`;
  if (present < byteLength) {
    throw new FerryError(
      'ERR_SOURCE_CHANGED',
      `${what} shrank from ${byteLength} to ${present} bytes`,
    );
  }
  if (pageCountOf(present) > capacityPages) {
    throw new FerryError(
      'ERR_REGION_TOO_LARGE',
      `${what} grew to ${present} bytes, beyond its maximum`,
    );
  }
  return present;
}
