import type { PageRun } from '../codec/capture-window.js';
import { FerryError } from '../errors.js';
import { HELD_RANGE_PAGES, pageCountOf } from '../memory/pages.js';
import { heldDigestBytes, maxHeldRanges } from '../protocol/limits.js';
import type { Accept, Held, HeldRequest, Offer } from '../protocol/messages.js';
import { heldDigest, pageDigests } from './held-digest.js';

/** See `CaptureEngine.adopt`. */
export type Adopt = (
  region: number,
  first: number,
  count: number,
  same: (pages: Uint8Array) => Iterable<PageRun>,
) => Promise<void>;

interface HeldRegion {
  readonly id: number;
  readonly pages: number;
  /** The range that is told of next. */
  nextRange: number;
  /** Ranges that differ, asked about and not answered yet, ascending. */
  readonly asked: number[];
}

/**
 * The source's part in finding what the destination holds already: compares the digests of ranges with what is here, asks about the pages of
 * those that differ, and has what is the same taken for sent. Each range is told of once, in order, and each answer is one that was asked for:
 * whatever a destination says, nothing is hashed more than twice.
 */
export class HeldComparison {
  readonly #regions: readonly HeldRegion[];
  readonly #adopt: Adopt;
  readonly #ask: (message: HeldRequest) => void;
  readonly #done: (samePages: number) => void;
  #samePages = 0;

  /** `bases`: what ACCEPT said of the offered regions. */
  constructor(deps: {
    readonly offer: Offer;
    readonly bases: Accept['bases'];
    readonly adopt: Adopt;
    readonly ask: (message: HeldRequest) => void;
    /** All is compared: so many pages are there already. */
    readonly done: (samePages: number) => void;
  }) {
    this.#adopt = deps.adopt;
    this.#ask = deps.ask;
    this.#done = deps.done;
    this.#regions = deps.offer.regions
      .filter((_, at) => deps.bases[at] === 'held')
      .map(({ id, byteLength }) => {
        return { id, pages: pageCountOf(byteLength), nextRange: 0, asked: [] };
      });
  }

  /** Takes one message; ends early where it is not `live` any more. Rejects with ERR_UNEXPECTED_MESSAGE for what is not the next thing to be told. */
  async take(message: Held, live: () => boolean): Promise<void> {
    const region = this.#regions.find(({ id }) => id === message.region);
    if (region === undefined) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `HELD of region ${message.region}`);
    }
    if (message.level === 'range') await this.#takeRanges(region, message, live);
    else await this.#takePages(region, message);
    if (live() && this.#isDone) this.#done(this.#samePages);
  }

  /** Everything was told, and all that was asked is answered. */
  get #isDone(): boolean {
    return this.#regions.every(
      ({ pages, nextRange, asked }) => nextRange * HELD_RANGE_PAGES >= pages && asked.length === 0,
    );
  }

  async #takeRanges(
    region: HeldRegion,
    { first, digests }: Held,
    live: () => boolean,
  ): Promise<void> {
    const count = digests.byteLength / heldDigestBytes;
    const end = first + count;
    if (first !== region.nextRange || (end - 1) * HELD_RANGE_PAGES >= region.pages) {
      throw outOfOrder(region, `ranges ${first} to ${end}`);
    }
    region.nextRange = end;
    const differing: number[] = [];
    for (let range = first; range < end; range++) {
      if (!live()) return;
      const theirs = digestAt(digests, range - first);
      const page = range * HELD_RANGE_PAGES;
      const pages = Math.min(HELD_RANGE_PAGES, region.pages - page);
      let isSame = false;
      await this.#adopt(region.id, page, pages, (bytes) => {
        isSame = theirs.compare(heldDigest(bytes)) === 0;
        return isSame ? [{ first: 0, count: pages }] : [];
      });
      if (isSame) this.#samePages += pages;
      else differing.push(range);
    }
    if (differing.length === 0) return;
    region.asked.push(...differing);
    for (let at = 0; at < differing.length; at += maxHeldRanges) {
      const ranges = differing.slice(at, at + maxHeldRanges);
      this.#ask({ type: 'HELD_REQUEST', region: region.id, ranges });
    }
  }

  async #takePages(region: HeldRegion, { first, digests }: Held): Promise<void> {
    let left = digests.byteLength / heldDigestBytes;
    for (let page = first; left > 0; page += HELD_RANGE_PAGES) {
      const pages = Math.min(HELD_RANGE_PAGES, region.pages - page);
      if (region.asked[0] !== page / HELD_RANGE_PAGES || left < pages) {
        throw outOfOrder(region, `pages from ${page} on`);
      }
      region.asked.shift();
      left -= pages;
      const from = page - first;
      await this.#adopt(region.id, page, pages, (bytes) => {
        const same = sameRuns(pageDigests(bytes), digests, from);
        for (const { count } of same) this.#samePages += count;
        return same;
      });
    }
  }
}

function digestAt(digests: Uint8Array, at: number): Buffer {
  const { buffer, byteOffset } = digests;
  return Buffer.from(buffer, byteOffset + at * heldDigestBytes, heldDigestBytes);
}

/** Pages whose digests are the same: `ours` from the first on, `theirs` from the one at `from` on. */
function sameRuns(ours: Uint8Array, theirs: Uint8Array, from: number): PageRun[] {
  const runs: { first: number; count: number }[] = [];
  const pages = ours.byteLength / heldDigestBytes;
  for (let page = 0; page < pages; page++) {
    if (digestAt(theirs, from + page).compare(digestAt(ours, page)) !== 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === page) last.count += 1;
    else runs.push({ first: page, count: 1 });
  }
  return runs;
}

function outOfOrder({ id, pages }: HeldRegion, what: string): FerryError {
  return new FerryError(
    'ERR_UNEXPECTED_MESSAGE',
    `HELD of ${what} of region ${id}, of ${pages} pages, which are not the next`,
  );
}
