import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { ceilingOf } from './pace.js';

/**
 * Above this rate of the link, bytes a second, a patch costs more time than it saves: some 8 microseconds for both ends, to send some
 * 1,200 bytes less, and before that up to 20 to index the page.
 */
const fastLink = 100e6;

/** Says whether patches are worth their time now. */
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
    if (this.#mode !== 'auto') return this.#mode === 'always';
    const measured = this.#meter.isSettled ? this.#meter.bytesPerSecond : undefined;
    const rate = measured ?? Number.POSITIVE_INFINITY;
    return (paused ? rate : Math.min(rate, this.#ceiling)) < fastLink;
  }
}
