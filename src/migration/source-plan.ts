import type { Guest, GuestIdentity } from '../guests/guest.js';
import type { Region } from '../memory/region.js';
import { maxFeatures, maxNameBytes, maxRegions } from '../protocol/limits.js';
import type { Accept, Offer, RegionChange } from '../protocol/messages.js';
import { capability, ourCapabilities } from '../protocol/version.js';
import type { ConvergenceLimits } from './convergence.js';
import type { ResolvedOptions } from './options.js';
import type { SourcePlan } from './source-states.js';

const defaultMaxStateBytes = 1024 * 1024;
/** A period: guests that write in bursts are mostly quiet again within a second. */
const stallRounds = 5;
const stallMs = 1000;

/** What was offered, and what the destination has of it. */
export interface Accepted {
  readonly offer: Offer;
  /** The objects that the offered regions were. */
  readonly offered: readonly Region[];
  readonly bases: Accept['bases'];
}

/**
 * What the source offers and when it switches over, fixed before it connects. `secret`: 192 random bytes. RangeError where the guest
 * describes itself in more words than an offer holds.
 */
export function makePlan(
  guest: Guest,
  options: ResolvedOptions,
  secret: Uint8Array,
  generation: () => number,
  lease?: SourcePlan['lease'],
): SourcePlan {
  const identity = guest.describe();
  checkLengths(identity, guest.regions);
  return {
    offer: {
      type: 'OFFER',
      pageSize: 4096,
      secret,
      identity,
      handsOver: guest.handsOver ?? true,
      maxStateBytes: guest.maxStateBytes ?? defaultMaxStateBytes,
      maxDowntimeMs: options.maxDowntimeMs,
      regions: offeredRegions(guest),
    },
    limits: makeLimits(guest, options),
    generation,
    ...(lease && { lease }),
  };
}

/** What is offered to a destination that knows nothing of an earlier offer: the regions as they are now. */
export function planAgain(plan: SourcePlan, guest: Guest): SourcePlan {
  return { ...plan, offer: { ...plan.offer, regions: offeredRegions(guest) } };
}

function offeredRegions({ regions }: Guest): Offer['regions'] {
  return regions.map(({ id, name, byteLength, maxByteLength }) => {
    return { id, name, byteLength, maxByteLength };
  });
}

/** When a migration of `guest` switches over, or is given up. */
export function makeLimits(guest: Guest, options: ResolvedOptions): ConvergenceLimits {
  return {
    motion: guest.motion ?? 'pausable',
    maxDowntimeMs: options.maxDowntimeMs,
    settle: options.settle,
    onStall: options.onStall,
    stallRounds,
    stallMs,
    maxRetreats: 3,
  };
}

/** Share of the thread the engine takes, 0.01 to 1: nobody waits for what is only copied, but others use the thread of a guest that runs on it. */
export function cpuShareOf(guest: Guest, { cpuShare }: ResolvedOptions): number {
  return cpuShare ?? (guest.handsOver === false ? 1 : 0.3);
}

/** What a source with these options says it can do, as bits of `capability`. One that is `recorded` compares nothing: what a destination held before is in no recording. */
export function capabilitiesOf(options: ResolvedOptions, recorded = false): number {
  const { patches, compression, connections, workers } = options;
  const canPatch = patches !== 'never' && connections === 1 && workers === 0;
  const without =
    (canPatch ? 0 : capability.patches) |
    (compression === 'never' ? capability.lz4 : 0) |
    (workers === 0 && !recorded ? 0 : capability.held);
  return ourCapabilities & ~without;
}

/**
 * What happened to the guest's regions while the offer was on its way: to be told before the first page. `offered`: the objects they were;
 * another object is another region.
 */
export function changesSinceOffer(
  offer: Offer,
  offered: readonly Region[],
  regions: readonly Region[],
): RegionChange[] {
  const changes: RegionChange[] = [];
  for (const region of offered) {
    const { id, name } = region;
    if (!regions.includes(region)) changes.push({ type: 'REGION', id, name, byteLength: -1 });
  }
  for (const region of regions) {
    const { id, name, byteLength } = region;
    const known = offer.regions.find((candidate) => candidate.id === id);
    if (offered.includes(region) && known?.byteLength === byteLength) continue;
    changes.push({ type: 'REGION', id, name, byteLength });
  }
  return changes;
}

function checkLengths(identity: GuestIdentity, regions: readonly Region[]): void {
  const { kind, version, features } = identity;
  const names = { kind, version };
  for (const [what, name] of Object.entries(names)) checkName(`the guest's ${what}`, name);
  for (const feature of features) checkName('a feature of the guest', feature);
  for (const { name } of regions) checkName('the name of a region', name);
  if (features.length > maxFeatures) {
    throw new RangeError(`a guest has at most ${maxFeatures} features, not ${features.length}`);
  }
  if (regions.length > maxRegions) {
    throw new RangeError(`a guest has at most ${maxRegions} regions, not ${regions.length}`);
  }
}

function checkName(what: string, name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes > maxNameBytes) {
    throw new RangeError(`${what} is ${bytes} bytes of UTF-8; at most ${maxNameBytes} fit`);
  }
}
