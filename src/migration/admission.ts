import { FerryError } from '../errors.js';
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
