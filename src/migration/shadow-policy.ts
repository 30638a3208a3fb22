import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { ceilingOf } from './pace.js';

/**
 * From this rate of the link on, bytes a second, a page is sent whole in about the time that its shadow takes to be written for the first time: the system
 * provides memory at some 1.5 GB/s, and most of it would never be looked at again.
 */
const fastLink = 250e6;

/** Says which pages are worth a shadow that have none yet. */
export class ShadowPolicy {
  readonly #options: Pick<ResolvedOptions, 'patches'>;
  readonly #ceiling: number;
  readonly #meter: Pick<Meter, 'bytesPerSecond'>;

  constructor(options: ResolvedOptions, meter: Pick<Meter, 'bytesPerSecond'>) {
    this.#options = options;
    this.#ceiling = ceilingOf(options);
    this.#meter = meter;
  }

  /**
   * On a link not known to be fast all of them: every byte of a delta that is saved counts. On a fast one those that change a second time; none while the guest
   * stands still (`paused`), as the last copy is followed by no other unless it is given back.
   */
  kept(paused: boolean): 'all' | 'again' | 'none' {
    // Whoever wants patches wants what they copy from.
    if (this.#options.patches === 'always') return 'all';
    if (Math.min(this.#meter.bytesPerSecond ?? 0, this.#ceiling) < fastLink) return 'all';
    return paused ? 'none' : 'again';
  }
}
