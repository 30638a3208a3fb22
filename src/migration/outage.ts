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
  #from: number | undefined;
  #count = 0;

  constructor(deps: OutageDeps) {
    this.#deps = deps;
  }

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** The connection is lost, perhaps once more: makes it again, with backoff, for as long as there is. */
  begin({ code, message }: FerryError): void {
    const { clock, options, inquiry, deadlines, emit, wanted, gaveUp, tooLate } = this.#deps;
    if (this.#from === undefined) {
      this.#from = clock.now();
      this.#count += 1;
      emit({ type: 'interrupted', code, message });
    }
    deadlines.awaitReturn(clock.now() - this.#from);
    if (options.maxOutageMs === 0) return;
    inquiry.reconnect('main', wanted, options.maxReconnects).then((connected) => {
      // Whoever else connects meanwhile, to say that it is over, is left alone.
      if (connected && !wanted()) tooLate();
      else if (!connected && wanted()) gaveUp();
    });
  }

  /** The destination goes on with us. Gives how long it took, milliseconds. */
  end(): number {
    const { clock, inquiry, deadlines } = this.#deps;
    const outageMs = clock.now() - (this.#from ?? clock.now());
    this.#from = undefined;
    deadlines.cancel();
    inquiry.rested();
    return outageMs;
  }
}
