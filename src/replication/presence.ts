import { inTime } from '../guests/in-time.js';
import type { PrimaryEvent } from './events.js';
import { HealthWatch } from './health.js';
import type { Promotion, ResolvedMember } from './protect-options.js';

/** How long the user's own announcement may take. */
const announceMs = 10_000;

export interface PresenceDeps extends Promotion {
  readonly options: ResolvedMember;
  readonly tell: (event: PrimaryEvent) => void;
  /** Whether somebody else could have the guest. */
  readonly mayResign: () => boolean;
  readonly resign: () => void;
}

/** A guest that runs here, as others see it: it is announced once it is healthy, and let go of where it is not any more and another one can have it. */
export class Presence {
  readonly #deps: PresenceDeps;
  readonly #health: HealthWatch | undefined;
  #isAnnounced = false;
  #isOver = false;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
    const { health } = deps.options;
    if (health === undefined) void this.#announce();
    else this.#health = new HealthWatch(health, (reasons) => this.#onHealth(reasons));
  }

  /** Nothing more is asked, or told. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#health?.stop();
    await this.#health?.done;
  }

  /** Resigns if it has to, and may: also to be called when somebody got in sync. */
  evaluate(): void {
    const { tell, mayResign, resign } = this.#deps;
    const reasons = this.#health?.reasons ?? [];
    if (reasons.length === 0 || this.#isOver || !mayResign()) return;
    this.#isOver = true;
    tell({ type: 'resigned', reasons });
    resign();
  }

  #onHealth(reasons: readonly string[]): void {
    const { tell } = this.#deps;
    if (reasons.length > 0) {
      tell({ type: 'unhealthy', reasons });
      this.evaluate();
      return;
    }
    tell({ type: 'healthy' });
    if (!this.#isAnnounced) void this.#announce();
  }

  async #announce(): Promise<void> {
    this.#isAnnounced = true;
    const { options, guest, token, tell } = this.#deps;
    const { announce } = options;
    if (announce === undefined) return;
    try {
      const said = Promise.resolve().then(() => announce({ guest, token }));
      await inTime(said, announceMs, () => new Error(`it took more than ${announceMs} ms`));
      tell({ type: 'announced' });
    } catch (error) {
      tell({ type: 'unannounced', message: (error as Error)?.message ?? `${error}` });
    }
  }
}
