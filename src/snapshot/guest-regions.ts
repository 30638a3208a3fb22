import type { Region } from '../memory/region.js';
import { jsonField } from './json-field.js';
import type { ManifestRegion, RegionPlan } from './types.js';

/** The region of a snapshot that is what `saveState` gave. */
export const stateRegionName = 'state';

/** A guest's names for its regions may be anything; in a snapshot they go by their ids. */
export function guestRegionName(region: Pick<Region, 'id'>): string {
  return `region/${region.id}`;
}

export function guestRegionPlan(region: Region): RegionPlan {
  const { id, name, byteLength, maxByteLength } = region;
  return {
    name: guestRegionName(region),
    role: 'memory',
    byteLength,
    maxByteLength,
    metadata: { id, name, maxByteLength },
  };
}

/** What a snapshot says of a guest's region, as a destination is offered it; undefined: it is none. */
export function offeredRegion({
  name,
  role,
  byteLength,
  metadata,
}: ManifestRegion): Pick<Region, 'id' | 'name' | 'byteLength' | 'maxByteLength'> | undefined {
  const id = jsonField(metadata, 'id');
  const called = jsonField(metadata, 'name');
  const maxByteLength = jsonField(metadata, 'maxByteLength');
  const isId = typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= 0xffffffff;
  const isMax = typeof maxByteLength === 'number' && Number.isSafeInteger(maxByteLength);
  if (role !== 'memory' || !isId || !isMax || typeof called !== 'string') return undefined;
  if (name !== guestRegionName({ id }) || maxByteLength < byteLength) return undefined;
  return { id, name: called, byteLength, maxByteLength };
}
