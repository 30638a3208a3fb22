import { LEAST_TRY_COST } from '../codec/patch-index.js';
import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { ceilingOf } from './pace.js';

/**
 * Above this rate of the link, bytes a second, a patch costs more time than it saves: some 8 microseconds for both ends, to send some
 * 1,200 bytes less, and before that up to 20 to index the page.
 */
const fastLink = 100e6;

/** Of both ends together: what a try takes, and what comes of it, seconds. */
const tryTime = 12e-6;

/** Says whether patches are worth their time now, and what one has to save. */
export class PatchPolicy {
  readonly #mode: ResolvedOptions['patches'];
  readonly #ceiling: number;
  readonly #meter: Meter;

  constructor(options: ResolvedOptions, meter: Meter) {
    this.#mode = options.patches;
    this.#ceiling = ceilingOf(options);
    this.#meter = meter;
  }

  /** `paused`: the last copy, which no budget binds. What nobody has measured yet is taken for fast. */
  pays(paused: boolean): boolean {
    return this.tryCost(paused) > 0;
  }

  /** See `CaptureEngine.tryPatches`. */
  tryCost(paused: boolean): number {
    if (this.#mode === 'never') return 0;
    if (this.#mode === 'always') return LEAST_TRY_COST;
    const measured = this.#meter.isSettled ? this.#meter.bytesPerSecond : undefined;
    const rate = measured ?? Number.POSITIVE_INFINITY;
    const carried = paused ? rate : Math.min(rate, this.#ceiling);
    return carried < fastLink ? Math.max(LEAST_TRY_COST, Math.round(carried * tryTime)) : 0;
  }
}
