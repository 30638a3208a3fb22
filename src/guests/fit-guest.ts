import { FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';
import type { Guest, GuestIdentity } from './guest.js';

/** What a copy of a guest is: of which program, with which regions. */
export interface OfferedGuest {
  readonly identity: GuestIdentity;
  readonly regions: readonly Pick<Region, 'id' | 'byteLength'>[];
}

/** Makes `guest` fit what is offered: same program, same regions, grown to the offered sizes. Throws the FerryError to refuse with. */
export async function fitGuest(guest: Guest, offer: OfferedGuest): Promise<void> {
  const ours = guest.describe();
  const theirs = offer.identity;
  if (ours.kind !== theirs.kind || ours.version !== theirs.version) {
    throw new FerryError(
      'ERR_INCOMPATIBLE',
      `a guest ${theirs.kind} ${theirs.version} is offered; this side has ${ours.kind} ${ours.version}`,
    );
  }
  const missing = theirs.features.filter((feature) => !ours.features.includes(feature));
  if (missing.length > 0) {
    throw new FerryError('ERR_INCOMPATIBLE', `this side lacks ${missing.join(', ')}`);
  }
  if (guest.regions.length !== offer.regions.length) {
    throw new FerryError(
      'ERR_INCOMPATIBLE',
      `${offer.regions.length} regions are offered; this side has ${guest.regions.length}`,
    );
  }
  for (const offered of offer.regions) {
    const region = guest.regions.find(({ id }) => id === offered.id);
    if (region === undefined) {
      throw new FerryError('ERR_INCOMPATIBLE', `this side has no region ${offered.id}`);
    }
    if (offered.byteLength > region.maxByteLength) {
      throw new FerryError(
        'ERR_REGION_TOO_LARGE',
        `region ${offered.id} has ${offered.byteLength} bytes; this side holds at most ${region.maxByteLength}`,
      );
    }
    if (region.byteLength > offered.byteLength) {
      throw new FerryError(
        'ERR_INCOMPATIBLE',
        `region ${offered.id} has ${offered.byteLength} bytes, here already ${region.byteLength}`,
      );
    }
    if (region.byteLength < offered.byteLength) await region.grow(offered.byteLength);
  }
}
