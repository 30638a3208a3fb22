import type { Clock } from './clock.js';
import type { ResolvedOptions } from './options.js';

const firstDelayMs = 500;
const longestDelayMs = 10_000;

export interface ReopeningDeps {
  readonly clock: Clock;
  /** As for the control channel. */
  readonly options: Pick<ResolvedOptions, 'maxOutageMs' | 'maxReconnects'>;
  /** From 0 to 1: not all at the same moment. */
  readonly random: () => number;
}

/** How often, and for how long, a page channel that was lost is worth opening once more. */
export class Reopening {
  readonly #deps: ReopeningDeps;
  #lostAt: number | undefined;
  #tries = 0;

  constructor(deps: ReopeningDeps) {
    this.#deps = deps;
  }

  /** How often it was tried since something was acknowledged on it. */
  get tries(): number {
    return this.#tries;
  }

  /** Something was acknowledged: the next loss is another matter. */
  worked(): void {
    this.#lostAt = undefined;
    this.#tries = 0;
  }

  /** Counts a try, and gives how long to wait before it, milliseconds; undefined where there are no more. */
  delayMs(): number | undefined {
    const { clock, options, random } = this.#deps;
    this.#lostAt ??= clock.now();
    const delayMs =
      Math.min(longestDelayMs, firstDelayMs * 2 ** this.#tries) * (0.5 + random() / 2);
    const isInTime = clock.now() - this.#lostAt + delayMs < options.maxOutageMs;
    if (!isInTime || this.#tries >= options.maxReconnects) return undefined;
    this.#tries += 1;
    return delayMs;
  }
}
