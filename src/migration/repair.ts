import { FerryError } from '../errors.js';
import type { Hashes, HashesRequest } from '../protocol/messages.js';
import type { PageEngine } from './page-engine.js';

/** Leaves asked for in one message. */
const leavesPerRequest = 512;
const pagesPerLeaf = 512;

/**
 * The source's part in finding what differs: leaves first, then the page hashes of the leaves that differ, then those pages are marked to
 * go again, whole.
 */
export class Repair {
  readonly #engine: PageEngine;
  readonly #ask: (message: HashesRequest) => void;
  /** Leaves that differ, by region: what a peer says twice counts once. */
  readonly #suspects = new Map<number, Set<number>>();
  #hasAsked = false;
  pages = 0;

  constructor(engine: PageEngine, ask: (message: HashesRequest) => void) {
    this.#engine = engine;
    this.#ask = ask;
  }

  /**
   * Takes one message of hashes. `marked`: all differing pages are marked to be sent; `asked`: more is to come;
   * `equal`: every leaf is the same here, so that no page can be the reason.
   */
  async compare(message: Hashes): Promise<'asked' | 'marked' | 'equal'> {
    if (message.level === 'page') {
      await this.comparePages(message);
      // Before we asked it is what a re-read found, which crossed PREPARE on the wire.
      return message.last && this.#hasAsked ? 'marked' : 'asked';
    }
    const leaves = await ofPeer('region', message.region, () =>
      this.#engine.leaves(message.region),
    );
    for (const { index, hash } of message.entries) {
      const ours = leaves[index];
      if (ours === undefined) throw outOfRange('leaf', index);
      if (ours !== hash) this.#suspect(message.region, index);
    }
    if (!message.last) return 'asked';
    if (this.#suspects.size === 0) return 'equal';
    this.#request();
    return 'asked';
  }

  /** Page hashes of the destination, told in answer or found wrong by its re-read: pages that differ here go again. */
  async comparePages(message: Hashes): Promise<void> {
    const differing: number[] = [];
    let leaf = -1;
    let ours: BigUint64Array = new BigUint64Array(0);
    for (const { index, hash } of message.entries) {
      if (Math.floor(index / pagesPerLeaf) !== leaf) {
        leaf = Math.floor(index / pagesPerLeaf);
        ours = await ofPeer('page', index, () => this.#engine.pageHashes(message.region, leaf));
      }
      const own = ours[index % pagesPerLeaf];
      if (own === undefined) throw outOfRange('page', index);
      if (own !== hash) differing.push(index);
    }
    this.pages += differing.length;
    if (differing.length > 0) this.#engine.repair(message.region, differing);
  }

  /** A switchover begins: what an earlier one left unanswered is forgotten. */
  begin(): void {
    this.#suspects.clear();
    this.#hasAsked = false;
  }

  #suspect(region: number, leaf: number): void {
    const leaves = this.#suspects.get(region);
    if (leaves === undefined) this.#suspects.set(region, new Set([leaf]));
    else leaves.add(leaf);
  }

  #request(): void {
    this.#hasAsked = true;
    const requests: { region: number; leaves: number[] }[] = [];
    for (const [region, suspects] of this.#suspects) {
      const leaves = [...suspects].sort((a, b) => a - b);
      for (let at = 0; at < leaves.length; at += leavesPerRequest) {
        requests.push({ region, leaves: leaves.slice(at, at + leavesPerRequest) });
      }
    }
    this.#suspects.clear();
    for (const [at, request] of requests.entries()) {
      this.#ask({ type: 'HASHES_REQUEST', ...request, last: at === requests.length - 1 });
    }
  }
}

/** What `read` finds at a place the peer named; ERR_OUT_OF_RANGE where there is no such place. */
export function ofPeer<T>(what: string, index: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? outOfRange(what, index) : error;
  }
}

function outOfRange(what: string, index: number): FerryError {
  return new FerryError('ERR_OUT_OF_RANGE', `hashes of ${what} ${index}, which is not here`);
}
