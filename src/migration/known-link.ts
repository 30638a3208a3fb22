import { systemClock } from './clock.js';
import { Meter } from './meter.js';
import type { AssumedLink } from './prospect.js';

/** The meter of a link on which nothing has to leave for it to be known. */
export class KnownLink extends Meter {
  readonly #bytesPerSecond: number;

  constructor({ bytesPerSecond, rttMs }: AssumedLink) {
    super(systemClock);
    this.#bytesPerSecond = bytesPerSecond;
    this.roundTrip(rttMs);
  }

  override get isSettled(): boolean {
    return true;
  }

  override get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }
}
