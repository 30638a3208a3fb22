import type { FerryError } from '../errors.js';
import type { Clock } from './clock.js';
import type { MigrationEvent } from './events.js';
import type { Inquiry } from './inquiry.js';
import type { ResolvedOptions } from './options.js';
import type { SourceDeadlines } from './source-deadlines.js';

export interface OutageDeps {
  readonly clock: Clock;
  readonly options: ResolvedOptions;
  readonly inquiry: Inquiry;
  readonly deadlines: SourceDeadlines;
  readonly emit: (event: MigrationEvent) => void;
  /** The connection is still wanted. */
  readonly wanted: () => boolean;
  /** It was tried as often as there was to be. */
  readonly gaveUp: () => void;
  /** It is there, and not wanted any more. */
  readonly tooLate: () => void;
}

/** A time without a connection before COMMIT: how long it lasts, and what ends it. */
export class Outage {
  readonly #deps: OutageDeps;
  /** When the connection was lost that is being made again. */
  #lostAt: number | undefined;
  /** Since when nothing was acknowledged. */
  #stuckSince: number | undefined;
  #count = 0;

  constructor(deps: OutageDeps) {
    this.#deps = deps;
  }

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /**
   * The connection is lost, perhaps once more: makes it again, with backoff, for as long as there is. Where nothing was acknowledged since the last one was
   * there, that time goes on: a link that carries nothing ends a migration, however often it comes back.
   */
  begin({ code, message }: FerryError): void {
    const { clock, options, inquiry, deadlines, emit, wanted, gaveUp, tooLate } = this.#deps;
    const now = clock.now();
    if (this.#lostAt === undefined) {
      this.#lostAt = now;
      this.#count += 1;
      emit({ type: 'interrupted', code, message });
    }
    this.#stuckSince ??= now;
    deadlines.awaitReturn(now - this.#stuckSince);
    if (options.maxOutageMs === 0) return;
    inquiry.reconnect('main', wanted, options.maxReconnects).then((connected) => {
      // Whoever else connects meanwhile, to say that it is over, is left alone.
      if (connected && !wanted()) tooLate();
      else if (!connected && wanted()) gaveUp();
    });
  }

  /** The destination goes on with us. Gives how long it took, milliseconds. */
  end(): number {
    const { clock, deadlines } = this.#deps;
    const outageMs = clock.now() - (this.#lostAt ?? clock.now());
    this.#lostAt = undefined;
    deadlines.cancel();
    return outageMs;
  }

  /** Something was acknowledged: the next loss is another matter. */
  progressed(): void {
    if (this.#stuckSince === undefined || this.#lostAt !== undefined) return;
    this.#stuckSince = undefined;
    this.#deps.inquiry.rested();
  }
}
