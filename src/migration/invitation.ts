import { FerryError } from '../errors.js';
import type { Clock } from './clock.js';

export interface InvitationLimits {
  /** Migrations that may complete. */
  readonly uses: number;
  /** How long new ones may begin, milliseconds. */
  readonly ttlMs: number;
}

export const defaultInvitation: InvitationLimits = { uses: 1, ttlMs: 15 * 60_000 };

/** How often, and how long, a token opens sessions. Connections of one that is open are its own matter. */
export class Invitation {
  readonly #clock: Clock;
  readonly #limits: InvitationLimits;
  readonly #since: number;
  #taken = 0;

  constructor(clock: Clock, limits: InvitationLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#since = clock.now();
  }

  /** Takes a use; the returned function gives it back, for a migration that came to nothing. ERR_AUTH, or ERR_BUSY while others may still give theirs back. */
  take(underWay: number): () => void {
    const { uses, ttlMs } = this.#limits;
    if (this.#clock.now() - this.#since >= ttlMs) {
      throw new FerryError('ERR_AUTH', 'the token has expired');
    }
    if (this.#taken >= uses) {
      throw underWay > 0
        ? new FerryError('ERR_BUSY', 'the token is in use')
        : new FerryError('ERR_AUTH', 'the token was used');
    }
    this.#taken += 1;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken -= 1;
      isTaken = false;
    };
  }
}
