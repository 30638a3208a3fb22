import { setTimeout as sleep } from 'node:timers/promises';
import { HELD_RANGE_PAGES, leafOf, pageCountOf } from '../memory/pages.js';
import type { GuestHost } from '../migration/guest-host.js';

/** Pages that are looked at in one go: some 0.2 ms. */
const stepPages: number = HELD_RANGE_PAGES;
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
      const { regions } = this.#host.guest;
      const totalPages = regions.reduce((sum, { byteLength }) => sum + pageCountOf(byteLength), 0);
      if (totalPages === 0) await this.#wait(this.#passMs);
      for (const { id, byteLength } of [...regions]) {
        for (let first = 0; first < pageCountOf(byteLength); first += stepPages) {
          const from = performance.now();
          const wrong = await this.#look(id, first);
          if (wrong > 0) {
            damaged(wrong);
            return;
          }
          const leastMs = (performance.now() - from) * (1 / mostShare - 1);
          await this.#wait(Math.max(leastMs, (this.#passMs * stepPages) / totalPages));
        }
      }
    }
  }

  /** Pages that are not what they should be. */
  #look(id: number, first: number): Promise<number> {
    const { receiver, guest } = this.#host;
    return receiver.afterAll(async () => {
      this.#stop.signal.throwIfAborted();
      const { engine } = receiver;
      // It may have vanished, or be another one by now.
      const region = guest.regions.find((each) => each.id === id);
      const count = Math.min(stepPages, pageCountOf(region?.byteLength ?? 0) - first);
      if (count <= 0) return 0;
      const should = engine.pageHashes(id, leafOf(first));
      await engine.readHeld(id, first, count);
      const are = engine.pageHashes(id, leafOf(first));
      return are.filter((hash, at) => hash !== should[at]).length;
    });
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal, ref: false });
  }
}
