import { FerryError } from '../errors.js';
import type { Offer } from '../protocol/messages.js';

/**
 * Passes over the whole image that a destination takes unless told otherwise. A source whose every round is as large as the image calls five of them a
 * stall, and does so at full speed and at each of six steps of throttling: 35.
 */
const passes = 64;
/** Small images go round much oftener than that: 1 TiB is an hour at 300 MB/s. */
const leastBytes = 2 ** 40;

/** What one session may make a destination write unless told otherwise, bytes: 64 times what the offered regions may become, and 1 TiB. */
export function defaultSessionBytes(
  { regions }: Pick<Offer, 'regions'>,
  maxImageBytes: number,
): number {
  const most = regions.reduce((sum, { maxByteLength }) => sum + maxByteLength, 0);
  return passes * Math.min(most, maxImageBytes) + leastBytes;
}

/**
 * What one session makes a destination write, all its connections together: what frames become, not what they are on the wire, so that a few
 * bytes that say many pages count as these pages.
 */
export class SessionBudget {
  readonly #maxBytes: number;
  #spentBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** ERR_OUT_OF_RANGE once more was spent than there is. */
  spend(bytes: number): void {
    this.#spentBytes += bytes;
    if (this.#spentBytes <= this.#maxBytes) return;
    throw new FerryError(
      'ERR_OUT_OF_RANGE',
      `the session made this side write ${this.#spentBytes} bytes; at most ${this.#maxBytes} are taken (maxSessionBytes)`,
    );
  }
}
