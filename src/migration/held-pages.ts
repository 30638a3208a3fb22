import type { ApplyEngine } from '../codec/apply.js';
import { FerryError } from '../errors.js';
import { HELD_RANGE_PAGES, pageCountOf } from '../memory/pages.js';
import { heldDigestBytes } from '../protocol/limits.js';
import type { Held, HeldRequest, Offer } from '../protocol/messages.js';
import { heldDigest, pageDigests } from './held-digest.js';
import type { Turns } from './turns.js';

/** Ranges told of in one message: the source has something to compare before all is read. */
const rangesPerMessage = 32;
/** Ranges whose pages' digests are kept: of 512 MiB, in 2 MiB. */
const mostKept = 512;
/** Ranges whose pages fit one message. */
const answersPerMessage = 8;

/**
 * The destination's part in finding what it need not be sent: digests of what regions held before, range by range, and of the pages of ranges that the
 * source asks about. Once a connection; what it has not told when that ends is told nobody.
 */
export class HeldPages {
  readonly #engine: ApplyEngine;
  readonly #regions: readonly { readonly id: number; readonly pages: number }[];
  readonly #turns: Turns;
  /** Runs what reads between what arrives. */
  readonly #queue: <T>(work: () => Promise<T>) => Promise<T>;
  /** Of each region the lowest range that may be asked about: each may be once. */
  readonly #nextAsked = new Map<number, number>();
  /** What was told of last: the source asks about it soon, if at all. */
  readonly #lately: {
    readonly region: number;
    readonly range: number;
    readonly digests: Uint8Array;
  }[] = [];
  #isOver = false;

  constructor(deps: {
    readonly engine: ApplyEngine;
    readonly offer: Offer;
    readonly turns: Turns;
    readonly queue: <T>(work: () => Promise<T>) => Promise<T>;
  }) {
    const bases = deps.engine.bases();
    this.#engine = deps.engine;
    this.#turns = deps.turns;
    this.#queue = deps.queue;
    this.#regions = deps.offer.regions
      .map(({ id, byteLength }) => ({ id, pages: pageCountOf(byteLength) }))
      .filter((_, at) => bases[at] === 'held');
  }

  /** Tells of every range of every such region. Rejects with what reading them fails with. */
  async tell(send: (message: Held) => void): Promise<void> {
    for (const { id, pages } of this.#regions) {
      const ranges = Math.ceil(pages / HELD_RANGE_PAGES);
      for (let first = 0; first < ranges; first += rangesPerMessage) {
        const count = Math.min(rangesPerMessage, ranges - first);
        const digests = new Uint8Array(count * heldDigestBytes);
        for (let at = 0; at < count; at++) {
          if (this.#isOver) return;
          const digest = heldDigest(await this.#read(id, pages, first + at));
          digests.set(digest, at * heldDigestBytes);
        }
        if (this.#isOver) return;
        send({ type: 'HELD', region: id, level: 'range', first, digests });
      }
    }
  }

  /** Tells of the pages of ranges. Rejects with ERR_OUT_OF_RANGE for what was not held, and ERR_UNEXPECTED_MESSAGE where it was asked for before. */
  async answer({ region, ranges }: HeldRequest, send: (message: Held) => void): Promise<void> {
    const pages = this.#regions.find(({ id }) => id === region)?.pages ?? 0;
    const last = ranges.at(-1) ?? 0;
    if (last * HELD_RANGE_PAGES >= pages) {
      throw new FerryError(
        'ERR_OUT_OF_RANGE',
        `range ${last} of region ${region}, of ${pages} pages`,
      );
    }
    if ((ranges[0] ?? 0) < (this.#nextAsked.get(region) ?? 0)) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `ranges of region ${region} asked for again`);
    }
    this.#nextAsked.set(region, last + 1);
    for (let at = 0; at < ranges.length; ) {
      const some = consecutive(ranges.slice(at, at + answersPerMessage));
      const digests: Uint8Array[] = [];
      for (const range of some) {
        if (this.#isOver) return;
        digests.push(this.#kept(region, range) ?? (await this.#read(region, pages, range)));
      }
      if (this.#isOver) return;
      const first = (some[0] ?? 0) * HELD_RANGE_PAGES;
      send({ type: 'HELD', region, level: 'page', first, digests: Buffer.concat(digests) });
      at += some.length;
    }
  }

  /** The connection is over. */
  stop(): void {
    this.#isOver = true;
  }

  /** Digests of the pages of a range that was told of a moment ago. */
  #kept(region: number, range: number): Uint8Array | undefined {
    return this.#lately.find((told) => told.region === region && told.range === range)?.digests;
  }

  /** Digests of the pages of a range. */
  #read(region: number, pages: number, range: number): Promise<Uint8Array> {
    const first = range * HELD_RANGE_PAGES;
    const count = Math.min(HELD_RANGE_PAGES, pages - first);
    return this.#queue(async () => {
      // It vanished meanwhile, as its source knows: what is said of it is passed over there.
      if (!this.#engine.has(region)) return new Uint8Array(0);
      const digests = pageDigests(await this.#engine.readHeld(region, first, count));
      this.#lately.push({ region, range, digests });
      if (this.#lately.length > mostKept) this.#lately.shift();
      const pause = this.#turns.breathe();
      if (pause !== undefined) await pause;
      return digests;
    });
  }
}

/** As many of `ranges`, from the first on, as follow each other. */
function consecutive(ranges: readonly number[]): readonly number[] {
  const gap = ranges.findIndex((range, at) => range !== (ranges[0] ?? 0) + at);
  return gap < 0 ? ranges : ranges.slice(0, gap);
}
