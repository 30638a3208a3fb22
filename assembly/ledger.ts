/**
 * The ledger: a program whose every wrong byte shows. It keeps accounts (i64 balances) spread over its memory and moves money between
 * them; each transfer advances a running digest over what it chose and what it found, so that a lost, doubled or torn write anywhere
 * makes this digest, or the final content, differ from a replay (src/guests/ledger-replay.ts).
 *
 * Memory, in pages of 4096 bytes from address 0:
 *   page 0        header: u32 magic, seed, pages, maxPages, growthInterval, growthPages, u64 seq, u32 digest
 *   other pages   128 bytes of accounts (16 i64, at first zero); then ballast: pseudo-random u32 in odd pages, zeros in even ones
 *   from maxPages on   the dirty bitmap, one bit a page, little-endian. It lies outside what travels.
 * A page is stored to first and marked after.
 */

const PAGE: usize = 4096;
const ACCOUNTS: u32 = 16;
const ACCOUNT_BYTES: usize = 128;
const MAGIC: u32 = 0x4744454c;
/** A prime: walking with this stride visits every page once before any page twice. */
const STRIDE: u64 = 2654435761;

// The program's registers: they are not in memory and travel as the guest's state.
let seq: u64 = 0;
let digest: u32 = 0;
let random: u32 = 1;
let pages: u32 = 0;
let bitmap: usize = 0;

/** One step of MurmurHash3's body: `h` with `word` mixed in. */
function mix(h: u32, word: u32): u32 {
  const k = rotl<u32>(word * 0xcc9e2d51, 15) * 0x1b873593;
  return rotl<u32>(h ^ k, 13) * 5 + 0xe6546b64;
}

function xorshift(state: u32): u32 {
  let x = state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

function mark(page: u32): void {
  const at = bitmap + (page >> 3);
  store<u8>(at, load<u8>(at) | <u8>((<u32>1) << (page & 7)));
}

/** Fills odd page `page` from byte 128 on with numbers that depend on the seed and the page alone. */
function fillBallast(seed: u32, page: u32): void {
  const end = <usize>page * PAGE + PAGE;
  let state = mix(mix(seed, page), 1) | 1;
  for (let at = <usize>page * PAGE + ACCOUNT_BYTES; at < end; at += 4) {
    state = xorshift(state);
    store<u32>(at, state);
  }
}

function openPages(from: u32, to: u32): void {
  const seed = load<u32>(4);
  for (let page = from; page < to; page++) {
    if (page & 1) {
      fillBallast(seed, page);
      mark(page);
    }
  }
  pages = to;
}

function writeHeader(): void {
  store<u32>(8, pages);
  store<u64>(24, seq);
  store<u32>(32, digest);
  mark(0);
}

/** Says where the bitmap lies: right behind `maxPages` pages. To be called once before anything else. */
export function attach(maxPages: u32): void {
  bitmap = <usize>maxPages * PAGE;
}

/**
 * Starts a new ledger of `initialPages` (at least 3) in zeroed memory. Each `growthInterval` transfers (0: never) it grows by
 * `growthPages`, up to `maxPages`.
 */
export function init(
  seed: u32,
  initialPages: u32,
  maxPages: u32,
  growthInterval: u32,
  growthPages: u32,
): void {
  store<u32>(0, MAGIC);
  store<u32>(4, seed);
  store<u32>(12, maxPages);
  store<u32>(16, growthInterval);
  store<u32>(20, growthPages);
  seq = 0;
  digest = seed;
  random = mix(seed, 0x6c656467) | 1;
  openPages(1, initialPages);
  writeHeader();
}

function draw(): u32 {
  random = xorshift(random);
  return random;
}

/** The page of step `k` of the walk over pages 1 to pages - 1. */
function walk(k: u64): u32 {
  const dataPages = <u64>pages - 1;
  return 1 + <u32>(((k % dataPages) * (STRIDE % dataPages)) % dataPages);
}

/** Adds `amount` to an account drawn in `page`; the digest takes the account and its new balance. */
function post(page: u32, amount: i64): void {
  const account = draw() % ACCOUNTS;
  const at = <usize>page * PAGE + <usize>account * 8;
  const balance = load<i64>(at) + amount;
  store<i64>(at, balance);
  mark(page);
  digest = mix(digest, page * ACCOUNTS + account);
  digest = mix(digest, <u32>balance);
  digest = mix(digest, <u32>(balance >> 32));
}

/** Makes one transfer. It dirties two pages the walk has not visited lately, and the header. */
export function transact(): void {
  const interval = load<u32>(16);
  const maxPages = load<u32>(12);
  if (interval !== 0 && pages < maxPages && seq % interval === interval - 1) {
    openPages(pages, min<u32>(maxPages, pages + load<u32>(20)));
  }
  const amount = draw() % 1000000;
  digest = mix(digest, <u32>seq);
  digest = mix(digest, amount);
  post(walk(seq * 2), -(<i64>amount));
  post(walk(seq * 2 + 1), <i64>amount);
  seq++;
  writeHeader();
}

/** Takes the registers of another ledger whose memory is, or is about to be, here. */
export function restore(newSeq: f64, newDigest: u32, newRandom: u32, newPages: u32): void {
  seq = <u64>newSeq;
  digest = newDigest;
  random = newRandom;
  pages = newPages;
}

/** 1 if memory holds the ledger the registers belong to. */
export function agrees(): u32 {
  const same =
    load<u32>(0) === MAGIC &&
    load<u32>(8) === pages &&
    load<u64>(24) === seq &&
    load<u32>(32) === digest;
  return same ? 1 : 0;
}

/** Transfers made so far. */
export function getSeq(): f64 {
  return <f64>seq;
}

export function getDigest(): u32 {
  return digest;
}

export function getRandom(): u32 {
  return random;
}

export function getPages(): u32 {
  return pages;
}
