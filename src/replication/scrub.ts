import { setTimeout as sleep } from 'node:timers/promises';
import { pageCountOf } from '../memory/pages.js';
import type { GuestHost } from '../migration/guest-host.js';

/** Pages that are looked at in one go: some 0.1 ms. */
const stepPages = 128;
/** How much of the thread it takes at most. */
const mostShare = 0.1;

/**
 * Reads a copy back in idle moments, again and again, as epochs prove hashes and not pages that nobody wrote since: `damaged` is told once of pages that do not hold
 * what arrived, and nothing is read any more.
 */
export class Scrub {
  readonly #host: GuestHost;
  /** How long a pass over all pages shall take. */
  readonly #passMs: number;
  readonly #stop = new AbortController();

  constructor(host: GuestHost, passMs: number, damaged: (pages: number) => void) {
    this.#host = host;
    this.#passMs = passMs;
    this.#run(damaged).catch(() => {
      // It was stopped; or what cannot be read is told to whoever needs it.
    });
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(damaged: (pages: number) => void): Promise<void> {
    for (;;) {
      const regions = this.#host.guest.regions.map(({ id, byteLength }) => {
        return { id, pages: pageCountOf(byteLength) };
      });
      const totalPages = regions.reduce((sum, { pages }) => sum + pages, 0);
      if (totalPages === 0) await this.#wait(this.#passMs);
      for (const { id, pages } of regions) {
        for (let first = 0; first < pages; first += stepPages) {
          const count = Math.min(stepPages, pages - first);
          const from = performance.now();
          const wrong = await this.#look(id, first, count);
          if (wrong > 0) {
            damaged(wrong);
            return;
          }
          const leastMs = (performance.now() - from) * (1 / mostShare - 1);
          await this.#wait(Math.max(leastMs, (this.#passMs * count) / totalPages));
        }
      }
    }
  }

  /** Pages that are not what they should be. */
  #look(region: number, first: number, count: number): Promise<number> {
    const { receiver } = this.#host;
    return receiver.afterAll(async () => {
      this.#stop.signal.throwIfAborted();
      return (await receiver.engine.recheck(region, first, count)).length;
    });
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal, ref: false });
  }
}
