import { FerryError } from '../errors.js';
import { HELD_RANGE_PAGES, pageCountOf } from '../memory/pages.js';
import { heldDigestBytes, maxHeldRanges } from '../protocol/limits.js';
import type { Accept, Held, HeldRequest, Offer } from '../protocol/messages.js';
import { heldDigest, pageDigests } from './held-digest.js';

/** See `CaptureEngine.look`. */
export type Look = (
  region: number,
  first: number,
  count: number,
  see: (pages: Uint8Array) => void,
) => Promise<boolean>;

interface HeldRegion {
  readonly id: number;
  readonly pages: number;
  /** The range that is told of next. */
  nextRange: number;
  /** Ranges that differ, asked about and not answered yet, ascending, with the digests of our pages. */
  readonly asked: { readonly range: number; readonly ours: Uint8Array }[];
}

/**
 * The source's part in finding what the destination holds already: compares the digests of ranges with what is here, asks about the pages of
 * those that differ, and has what is the same taken for sent. Each range is told of once, in order, and each answer is one that was asked for:
 * whatever a destination says, nothing is read or hashed more than once.
 */
export class HeldComparison {
  readonly #regions: readonly HeldRegion[];
  readonly #gone: ReadonlySet<number>;
  readonly #look: Look;
  readonly #adopt: (region: number, first: number, count: number) => void;
  readonly #ask: (message: HeldRequest) => void;
  readonly #done: (samePages: number) => void;
  #samePages = 0;

  /** `bases`: what ACCEPT said of the offered regions. */
  constructor(deps: {
    readonly offer: Offer;
    readonly bases: Accept['bases'];
    /** Ids of offered regions that are not here any more: what is told of them is passed over. */
    readonly gone: ReadonlySet<number>;
    readonly look: Look;
    /** See `CaptureEngine.adopt`. */
    readonly adopt: (region: number, first: number, count: number) => void;
    readonly ask: (message: HeldRequest) => void;
    /** All is compared: so many pages are there already. */
    readonly done: (samePages: number) => void;
  }) {
    this.#gone = deps.gone;
    this.#look = deps.look;
    this.#adopt = deps.adopt;
    this.#ask = deps.ask;
    this.#done = deps.done;
    this.#regions = deps.offer.regions
      .filter(({ id }, at) => deps.bases[at] === 'held' && !deps.gone.has(id))
      .map(({ id, byteLength }) => {
        return { id, pages: pageCountOf(byteLength), nextRange: 0, asked: [] };
      });
  }

  /** Says that it is done where there is nothing to be told. */
  begin(): void {
    if (this.#isDone) this.#done(0);
  }

  /** Takes one message; ends early where it is not `live` any more. Rejects with ERR_UNEXPECTED_MESSAGE for what is not the next thing to be told. */
  async take(message: Held, live: () => boolean): Promise<void> {
    if (this.#gone.has(message.region)) return;
    const region = this.#regions.find(({ id }) => id === message.region);
    if (region === undefined) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `HELD of region ${message.region}`);
    }
    if (message.level === 'range') await this.#takeRanges(region, message, live);
    else this.#takePages(region, message);
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
      const page = range * HELD_RANGE_PAGES;
      const pages = Math.min(HELD_RANGE_PAGES, region.pages - page);
      let ours: Uint8Array = new Uint8Array(0);
      const looked = await this.#look(region.id, page, pages, (bytes) => {
        ours = pageDigests(bytes);
      });
      if (looked && digestAt(digests, range - first).equals(heldDigest(ours))) {
        this.#found(region, page, pages);
      } else {
        differing.push(range);
        region.asked.push({ range, ours });
      }
    }
    for (let at = 0; at < differing.length; at += maxHeldRanges) {
      const ranges = differing.slice(at, at + maxHeldRanges);
      this.#ask({ type: 'HELD_REQUEST', region: region.id, ranges });
    }
  }

  #takePages(region: HeldRegion, { first, digests }: Held): void {
    let left = digests.byteLength / heldDigestBytes;
    for (let page = first; left > 0; page += HELD_RANGE_PAGES) {
      const pages = Math.min(HELD_RANGE_PAGES, region.pages - page);
      const [asked] = region.asked;
      if (asked === undefined || asked.range * HELD_RANGE_PAGES !== page || left < pages) {
        throw outOfOrder(region, `pages from ${page} on`);
      }
      region.asked.shift();
      left -= pages;
      this.#compare(region, page, asked.ours, digests.subarray((page - first) * heldDigestBytes));
    }
  }

  /** Runs of pages from `first` on whose digests are the same. */
  #compare(region: HeldRegion, first: number, ours: Uint8Array, theirs: Uint8Array): void {
    const pages = ours.byteLength / heldDigestBytes;
    let from = 0;
    for (let page = 0; page <= pages; page++) {
      if (page < pages && digestAt(theirs, page).equals(digestAt(ours, page))) continue;
      if (page > from) this.#found(region, first + from, page - from);
      from = page + 1;
    }
  }

  #found({ id }: HeldRegion, first: number, count: number): void {
    this.#adopt(id, first, count);
    this.#samePages += count;
  }
}

function digestAt(digests: Uint8Array, at: number): Buffer {
  const { buffer, byteOffset } = digests;
  return Buffer.from(buffer, byteOffset + at * heldDigestBytes, heldDigestBytes);
}

function outOfOrder({ id, pages }: HeldRegion, what: string): FerryError {
  return new FerryError(
    'ERR_UNEXPECTED_MESSAGE',
    `HELD of ${what} of region ${id}, of ${pages} pages, which are not the next`,
  );
}
