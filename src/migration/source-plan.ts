import type { Guest } from '../guests/guest.js';
import type { Region } from '../memory/region.js';
import type { Offer, RegionChange } from '../protocol/messages.js';
import type { ResolvedOptions } from './options.js';
import type { SourcePlan } from './source-states.js';

const defaultMaxStateBytes = 1024 * 1024;

/** What the source offers and when it switches over, fixed before it connects. `secret`: 192 random bytes. */
export function makePlan(
  guest: Guest,
  options: ResolvedOptions,
  secret: Uint8Array,
  generation: () => number,
): SourcePlan {
  return {
    offer: {
      type: 'OFFER',
      pageSize: 4096,
      secret,
      identity: guest.describe(),
      handsOver: guest.handsOver ?? true,
      maxStateBytes: guest.maxStateBytes ?? defaultMaxStateBytes,
      maxDowntimeMs: options.maxDowntimeMs,
      regions: guest.regions.map(({ id, name, byteLength, maxByteLength }) => ({
        id,
        name,
        byteLength,
        maxByteLength,
      })),
    },
    limits: {
      motion: guest.motion ?? 'pausable',
      maxDowntimeMs: options.maxDowntimeMs,
      settle: options.settle,
      onStall: options.onStall,
      stallRounds: 5,
      maxRetreats: 3,
    },
    generation,
  };
}

/** What happened to the guest's regions while the offer was on its way: to be told before the first page. */
export function changesSinceOffer(offer: Offer, regions: readonly Region[]): RegionChange[] {
  const changes: RegionChange[] = [];
  for (const { id, name, byteLength } of regions) {
    const offered = offer.regions.find((candidate) => candidate.id === id);
    if (offered?.byteLength !== byteLength) changes.push({ type: 'REGION', id, name, byteLength });
  }
  for (const { id, name } of offer.regions) {
    const gone = regions.every((candidate) => candidate.id !== id);
    if (gone) changes.push({ type: 'REGION', id, name, byteLength: -1 });
  }
  return changes;
}
