// XXH3-64 with a 192-byte secret and seed 0. Source: the xxHash specification, section "XXH3 algorithm description".
import { multiplyFold, prime64x1, xxh3Avalanche, xxh3ShortAvalanche, xxh64Avalanche } from './mix';
import { pageBytes } from './page';
import {
  accumulateFirst,
  accumulateSecond,
  addCrossed,
  initial0,
  initial1,
  initial2,
  initial3,
  productsOfFirst,
  productsOfSecond,
  scramble,
} from './xxh3-stripe';

const stripeBytes: usize = 64;
const stripesPerBlock: usize = 16;
/** Where in the secret its parts begin: of the scramble, of the last stripe, of the final merge, of the last 16 of 129 to 240 bytes. */
const scrambleSecret: usize = 128;
const lastStripeSecret: usize = 121;
const mergeSecret: usize = 11;
const middleSecret: usize = 3;
const middleLastSecret: usize = 119;

function hash1to3(address: usize, bytes: usize, secret: usize): u64 {
  const first = <u32>load<u8>(address);
  const middle = <u32>load<u8>(address + (bytes >> 1));
  const last = <u32>load<u8>(address + bytes - 1);
  const combined = (first << 16) | (middle << 24) | last | ((<u32>bytes) << 8);
  return xxh64Avalanche(<u64>(combined ^ load<u32>(secret) ^ load<u32>(secret, 4)));
}

function hash4to8(address: usize, bytes: usize, secret: usize): u64 {
  const input = <u64>load<u32>(address + bytes - 4) + ((<u64>load<u32>(address)) << 32);
  return xxh3ShortAvalanche(input ^ load<u64>(secret, 8) ^ load<u64>(secret, 16), <u64>bytes);
}

function hash9to16(address: usize, bytes: usize, secret: usize): u64 {
  const low = load<u64>(address) ^ load<u64>(secret, 24) ^ load<u64>(secret, 32);
  const high = load<u64>(address + bytes - 8) ^ load<u64>(secret, 40) ^ load<u64>(secret, 48);
  return xxh3Avalanche(<u64>bytes + bswap<u64>(low) + high + multiplyFold(low, high));
}

/** 16 bytes of an input of 17 to 240 under 16 bytes of the secret. */
function mix16(address: usize, secret: usize): u64 {
  return multiplyFold(
    load<u64>(address) ^ load<u64>(secret),
    load<u64>(address, 8) ^ load<u64>(secret, 8),
  );
}

/** Pairs of 16 bytes from both ends inwards; in the middle of the input they overlap. */
function hash17to128(address: usize, bytes: usize, secret: usize): u64 {
  let sum = <u64>bytes * prime64x1;
  const end = address + bytes;
  const pairs = (bytes - 1) >> 5;
  for (let i: usize = 0; i <= pairs; i++) {
    sum += mix16(address + 16 * i, secret + 32 * i);
    sum += mix16(end - 16 * (i + 1), secret + 32 * i + 16);
  }
  return xxh3Avalanche(sum);
}

function hash129to240(address: usize, bytes: usize, secret: usize): u64 {
  let sum = <u64>bytes * prime64x1;
  for (let at: usize = 0; at < 128; at += 16) sum += mix16(address + at, secret + at);
  sum = xxh3Avalanche(sum);
  const whole = bytes & ~15;
  for (let at: usize = 128; at < whole; at += 16) {
    sum += mix16(address + at, secret + middleSecret + at - 128);
  }
  return xxh3Avalanche(sum + mix16(address + bytes - 16, secret + middleLastSecret));
}

/** Two accumulators folded into one number. */
function mergePair(accumulator: v128, secret: usize): u64 {
  return multiplyFold(
    i64x2.extract_lane(accumulator, 0) ^ load<u64>(secret),
    i64x2.extract_lane(accumulator, 1) ^ load<u64>(secret, 8),
  );
}

/** XXH3-64 of more than 240 bytes: blocks of 16 stripes, a shorter block, and the last 64 bytes (which may overlap it) as one stripe. */
function hashLong(address: usize, bytes: usize, secret: usize): u64 {
  let a0 = initial0();
  let a1 = initial1();
  let a2 = initial2();
  let a3 = initial3();
  const end = address + bytes;
  while (true) {
    const stripes = min(stripesPerBlock, (end - 1 - address) / stripeBytes);
    const blockEnd = address + stripes * stripeBytes;
    // Data is summed up apart and crosses once a block: a shuffle less for each vector.
    let s0 = i64x2.splat(0);
    let s1 = i64x2.splat(0);
    let s2 = i64x2.splat(0);
    let s3 = i64x2.splat(0);
    for (let key = secret; address < blockEnd; address += stripeBytes, key += 8) {
      const d0 = v128.load(address);
      const d1 = v128.load(address, 16);
      const d2 = v128.load(address, 32);
      const d3 = v128.load(address, 48);
      const k0 = v128.load(key);
      const k1 = v128.load(key, 16);
      const k2 = v128.load(key, 32);
      const k3 = v128.load(key, 48);
      a0 = i64x2.add(a0, productsOfFirst(d0, d1, k0, k1));
      a1 = i64x2.add(a1, productsOfSecond(d0, d1, k0, k1));
      a2 = i64x2.add(a2, productsOfFirst(d2, d3, k2, k3));
      a3 = i64x2.add(a3, productsOfSecond(d2, d3, k2, k3));
      s0 = i64x2.add(s0, d0);
      s1 = i64x2.add(s1, d1);
      s2 = i64x2.add(s2, d2);
      s3 = i64x2.add(s3, d3);
    }
    a0 = addCrossed(a0, s0);
    a1 = addCrossed(a1, s1);
    a2 = addCrossed(a2, s2);
    a3 = addCrossed(a3, s3);
    if (stripes < stripesPerBlock) break;
    a0 = scramble(a0, v128.load(secret + scrambleSecret));
    a1 = scramble(a1, v128.load(secret + scrambleSecret, 16));
    a2 = scramble(a2, v128.load(secret + scrambleSecret, 32));
    a3 = scramble(a3, v128.load(secret + scrambleSecret, 48));
  }
  const tail = end - stripeBytes;
  const key = secret + lastStripeSecret;
  const d0 = v128.load(tail);
  const d1 = v128.load(tail, 16);
  const d2 = v128.load(tail, 32);
  const d3 = v128.load(tail, 48);
  const k0 = v128.load(key);
  const k1 = v128.load(key, 16);
  const k2 = v128.load(key, 32);
  const k3 = v128.load(key, 48);
  a0 = accumulateFirst(a0, d0, d1, k0, k1);
  a1 = accumulateSecond(a1, d0, d1, k0, k1);
  a2 = accumulateFirst(a2, d2, d3, k2, k3);
  a3 = accumulateSecond(a3, d2, d3, k2, k3);

  let hash = <u64>bytes * prime64x1;
  hash += mergePair(a0, secret + mergeSecret);
  hash += mergePair(a1, secret + mergeSecret + 16);
  hash += mergePair(a2, secret + mergeSecret + 32);
  hash += mergePair(a3, secret + mergeSecret + 48);
  return xxh3Avalanche(hash);
}

/** XXH3-64 of `bytes` bytes at `address` with the 192 bytes at `secret`: XXH3_64bits_withSecret; with its default secret XXH3_64bits. */
export function xxh3(address: usize, bytes: usize, secret: usize): u64 {
  if (bytes > 240) return hashLong(address, bytes, secret);
  if (bytes > 128) return hash129to240(address, bytes, secret);
  if (bytes > 16) return hash17to128(address, bytes, secret);
  if (bytes > 8) return hash9to16(address, bytes, secret);
  if (bytes > 3) return hash4to8(address, bytes, secret);
  if (bytes > 0) return hash1to3(address, bytes, secret);
  return xxh64Avalanche(load<u64>(secret, 56) ^ load<u64>(secret, 64));
}

/** XXH3-64 of one page. */
export function xxh3Page(address: usize, secret: usize): u64 {
  return hashLong(address, pageBytes, secret);
}

/** XXH3-64 of each of `pages` pages, stored as u64 at `out`. */
export function hashPages(address: usize, pages: u32, out: usize, secret: usize): void {
  for (const end = out + ((<usize>pages) << 3); out < end; out += 8, address += pageBytes) {
    store<u64>(out, xxh3Page(address, secret));
  }
}
