import { PAGE_BYTES } from '../memory/pages.js';
import type { OnCommit } from './commit.js';
import { mix, xorshift } from './random.js';

/** Everything that decides what a ledger does. */
export interface LedgerPlan {
  /** u32. */
  readonly seed: number;
  readonly pages: number;
  readonly maxPages: number;
  /** Each `growthInterval` transfers (0: never) the ledger grows by `growthPages`, up to `maxPages`. */
  readonly growthInterval: number;
  readonly growthPages: number;
}

/** What a ledger's memory must hold after some number of transfers. */
export interface LedgerReplay {
  readonly seq: number;
  readonly digest: number;
  readonly pages: number;
  /** Writes the 4096 bytes page `index` must have into `into`. */
  readPage(index: number, into: Uint8Array): void;
}

const accountsPerPage = 16;
/** A balance is an i64: two words. */
const accountWords = accountsPerPage * 2;
const magic = 0x4744454c;
const stride = 2654435761;

/**
 * Plays `count` transfers of the ledger `plan` describes again, in plain JavaScript that shares nothing with the program, and tells
 * `onCommit` of each. Costs 128 bytes of memory a page.
 */
export function replayLedger(plan: LedgerPlan, count: number, onCommit?: OnCommit): LedgerReplay {
  const balances = new BigInt64Array(plan.maxPages * accountsPerPage);
  const halves = new Uint32Array(balances.buffer);
  const words = new Uint32Array(PAGE_BYTES / 4);
  let pages = plan.pages;
  let digest = plan.seed >>> 0;
  let random = (mix(plan.seed, 0x6c656467) | 1) >>> 0;

  function draw(): number {
    random = xorshift(random);
    return random;
  }
  function walk(k: number): number {
    const dataPages = pages - 1;
    return 1 + (((k % dataPages) * (stride % dataPages)) % dataPages);
  }
  function post(page: number, amount: number): void {
    const account = page * accountsPerPage + (draw() % accountsPerPage);
    balances[account] = (balances[account] ?? 0n) + BigInt(amount);
    digest = mix(digest, account);
    digest = mix(digest, halves[account * 2] ?? 0);
    digest = mix(digest, halves[account * 2 + 1] ?? 0);
  }

  for (let seq = 0; seq < count; seq++) {
    const { growthInterval, maxPages } = plan;
    if (growthInterval !== 0 && seq % growthInterval === growthInterval - 1) {
      pages = Math.min(maxPages, pages + plan.growthPages);
    }
    const amount = draw() % 1000000;
    digest = mix(mix(digest, seq), amount);
    post(walk(seq * 2), -amount);
    post(walk(seq * 2 + 1), amount);
    onCommit?.(seq + 1, digest);
  }

  return {
    seq: count,
    digest,
    pages,
    readPage(index, into) {
      words.fill(0);
      if (index === 0) {
        const { seed, maxPages, growthInterval, growthPages } = plan;
        words.set([magic, seed, pages, maxPages, growthInterval, growthPages]);
        words.set([count, count / 2 ** 32, digest], 6);
      } else {
        words.set(halves.subarray(index * accountWords, (index + 1) * accountWords));
        if (index % 2 === 1) fillBallast(words, mix(mix(plan.seed, index), 1) | 1);
      }
      into.set(new Uint8Array(words.buffer));
    },
  };
}

/** Everything behind the accounts of an odd page. */
function fillBallast(words: Uint32Array, seed: number): void {
  let state = seed;
  for (let at = accountWords; at < words.length; at++) {
    state = xorshift(state);
    words[at] = state;
  }
}

/** The pages of `memory` that are not as `replay` says: balances, ballast and header alike. Also those missing or too many. */
export function findLedgerDamage(memory: Uint8Array, replay: LedgerReplay): number[] {
  const damaged: number[] = [];
  const expected = new Uint8Array(PAGE_BYTES);
  const pages = Math.max(replay.pages, Math.ceil(memory.byteLength / PAGE_BYTES));
  for (let page = 0; page < pages; page++) {
    if (page < replay.pages) replay.readPage(page, expected);
    const actual = memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    if (page >= replay.pages || Buffer.compare(actual, expected) !== 0) damaged.push(page);
  }
  return damaged;
}
