import type { CaptureEngine } from '../codec/capture.js';
import type { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { HeldComparison } from '../migration/held-comparison.js';
import type { Link } from '../migration/link.js';
import type { Slices } from '../migration/slices.js';
import type { Accepted } from '../migration/source-plan.js';
import type { Held } from '../protocol/messages.js';

export interface Compared {
  readonly samePages: number;
  readonly totalPages: number;
}

/** The primary's part in finding what a standby holds already, while the guest runs. What is told may arrive before `run` is called. */
export class Comparison {
  #ended: FerryError | undefined;
  #refuse: (error: FerryError) => void = () => {};
  #begin: (held: HeldComparison) => void = () => {};
  readonly #held = new Promise<HeldComparison>((resolve) => {
    this.#begin = resolve;
  });

  /** Resolves when all was told; `compared` is called where anything was. Rejects with why it never will be. */
  async run(
    { offer, offered, bases }: Accepted,
    deps: {
      readonly guest: Guest;
      readonly engine: CaptureEngine;
      readonly link: Link;
      readonly slices: Slices;
      readonly compared: ((pages: Compared) => void) | undefined;
    },
  ): Promise<void> {
    const { guest, engine, link, slices, compared } = deps;
    const gone = offered.filter((region) => !guest.regions.includes(region));
    const samePages = await new Promise<number>((done, refuse) => {
      this.#refuse = refuse;
      if (this.#ended !== undefined) refuse(this.#ended);
      const held = new HeldComparison({
        ...{ offer, bases, gone: new Set(gone.map(({ id }) => id)), done },
        look: async (...pages) => {
          const looked = await engine.look(...pages);
          await slices.breathe();
          return looked;
        },
        adopt: (...pages) => engine.adopt(...pages),
        ask: (message) => link.send(message),
      });
      this.#begin(held);
      held.begin();
    });
    if (bases.includes('held')) compared?.({ samePages, totalPages: engine.totalPages });
  }

  /** Rejects with ERR_UNEXPECTED_MESSAGE for what is not the next thing to be told. */
  async take(message: Held): Promise<void> {
    const held = await this.#held;
    await held.take(message, () => this.#ended === undefined);
  }

  /** Nothing is told any more. */
  end(error: FerryError): void {
    this.#ended = error;
    this.#refuse(error);
  }
}
