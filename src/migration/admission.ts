import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Offer } from '../protocol/messages.js';

const pageBytes = 4096;

/** What a destination is willing to take, all from local configuration. */
export interface AdmissionLimits {
  /** Sum of all regions' sizes, bytes. */
  readonly maxImageBytes: number;
  readonly maxStateBytes: number;
  /** Bytes that one session may make this side write. Default: `defaultSessionBytes`. */
  readonly maxSessionBytes?: number | undefined;
}

/** Checks an offer against our limits, before anything is made for it. Throws the FerryError to refuse it with. */
export function checkOffer(offer: Offer, limits: AdmissionLimits): void {
  if (offer.pageSize !== pageBytes) {
    throw new FerryError(
      'ERR_PAGE_SIZE',
      `pages of ${offer.pageSize} bytes; this side has ${pageBytes}`,
    );
  }
  const total = offer.regions.reduce((sum, region) => sum + region.byteLength, 0);
  if (total > limits.maxImageBytes) {
    throw new FerryError(
      'ERR_IMAGE_TOO_LARGE',
      `an image of ${total} bytes is offered; at most ${limits.maxImageBytes} are taken`,
    );
  }
  const ids = new Set<number>();
  for (const { id, name, byteLength, maxByteLength } of offer.regions) {
    if (ids.has(id)) throw new FerryError('ERR_INCOMPATIBLE', `region ${id} is offered twice`);
    ids.add(id);
    if (maxByteLength < byteLength) {
      throw new FerryError('ERR_INCOMPATIBLE', `region ${name} is larger than its own maximum`);
    }
  }
}

/** Makes `guest` fit the offer: same program, same regions, grown to the offered sizes. Throws the FerryError to refuse with. */
export async function fitGuest(guest: Guest, offer: Offer): Promise<void> {
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
