// The hasher of a guest's memory where it lies: instantiated over the guest's own WebAssembly memory, plain or shared, which it never
// writes to. The secret comes as 24 immutable globals and is kept in vectors of this instance, as nothing may be put into memory.
//
// XXH3-64 of one page: four blocks of 16 stripes (xxh3-stripe.ts). Stripe n of a block takes keys n, n + 2, n + 4 and n + 6, so stripe n + 2
// needs three of them again: the keys of even and of odd stripes roll through four locals each, and a step fetches one new key for each.
// A small loop with a switch is faster than 64 stripes written out, in which V8 keeps too many vectors alive at once.
import { multiplyFold, prime64x1, xxh3Avalanche } from './mix';
import { pageBytes } from './page';
import {
  accumulateFirst,
  accumulateSecond,
  initial0,
  initial1,
  initial2,
  initial3,
  scramble,
} from './xxh3-stripe';

// The secret, u64 by u64.
declare const secret0: u64;
declare const secret1: u64;
declare const secret2: u64;
declare const secret3: u64;
declare const secret4: u64;
declare const secret5: u64;
declare const secret6: u64;
declare const secret7: u64;
declare const secret8: u64;
declare const secret9: u64;
declare const secret10: u64;
declare const secret11: u64;
declare const secret12: u64;
declare const secret13: u64;
declare const secret14: u64;
declare const secret15: u64;
declare const secret16: u64;
declare const secret17: u64;
declare const secret18: u64;
declare const secret19: u64;
declare const secret20: u64;
declare const secret21: u64;
declare const secret22: u64;
declare const secret23: u64;

/** Bytes 8 i + `bits` / 8 to 8 i + 15 + `bits` / 8 of the secret, of which `low`, `middle`, `high` are words i to i + 2. */
function unaligned(low: u64, middle: u64, high: u64, bits: u64): v128 {
  return i64x2((low >> bits) | (middle << (64 - bits)), (middle >> bits) | (high << (64 - bits)));
}

// keyN: the 16 bytes of the secret from byte 8 N on.
const key0: v128 = i64x2(secret0, secret1);
const key1: v128 = i64x2(secret1, secret2);
const key2: v128 = i64x2(secret2, secret3);
const key3: v128 = i64x2(secret3, secret4);
const key4: v128 = i64x2(secret4, secret5);
const key5: v128 = i64x2(secret5, secret6);
const key6: v128 = i64x2(secret6, secret7);
const key7: v128 = i64x2(secret7, secret8);
const key8: v128 = i64x2(secret8, secret9);
const key9: v128 = i64x2(secret9, secret10);
const key10: v128 = i64x2(secret10, secret11);
const key11: v128 = i64x2(secret11, secret12);
const key12: v128 = i64x2(secret12, secret13);
const key13: v128 = i64x2(secret13, secret14);
const key14: v128 = i64x2(secret14, secret15);
const key15: v128 = i64x2(secret15, secret16);
const key16: v128 = i64x2(secret16, secret17);
const key17: v128 = i64x2(secret17, secret18);
const key18: v128 = i64x2(secret18, secret19);
const key19: v128 = i64x2(secret19, secret20);
const key20: v128 = i64x2(secret20, secret21);
const key21: v128 = i64x2(secret21, secret22);
const key22: v128 = i64x2(secret22, secret23);
// The keys of the last stripe, from byte 121 on, and those of the final merge, from byte 11 on.
const last0: v128 = unaligned(secret15, secret16, secret17, 8);
const last1: v128 = unaligned(secret17, secret18, secret19, 8);
const last2: v128 = unaligned(secret19, secret20, secret21, 8);
const last3: v128 = unaligned(secret21, secret22, secret23, 8);
const merge0: v128 = unaligned(secret1, secret2, secret3, 24);
const merge1: v128 = unaligned(secret3, secret4, secret5, 24);
const merge2: v128 = unaligned(secret5, secret6, secret7, 24);
const merge3: v128 = unaligned(secret7, secret8, secret9, 24);

function foldPair(pair: v128): u64 {
  return multiplyFold(i64x2.extract_lane(pair, 0), i64x2.extract_lane(pair, 1));
}

/** XXH3-64 of the page at `address`. */
function hashPage(address: usize): u64 {
  let a0 = initial0();
  let a1 = initial1();
  let a2 = initial2();
  let a3 = initial3();
  let d0: v128;
  let d1: v128;
  const end = address + pageBytes;
  while (true) {
    let even0 = key0;
    let even1 = key2;
    let even2 = key4;
    let even3 = key6;
    let odd0 = key1;
    let odd1 = key3;
    let odd2 = key5;
    let odd3 = key7;
    for (let pair = 0; ; pair++) {
      d0 = v128.load(address);
      d1 = v128.load(address, 16);
      a0 = accumulateFirst(a0, d0, d1, even0, even1);
      a1 = accumulateSecond(a1, d0, d1, even0, even1);
      d0 = v128.load(address, 32);
      d1 = v128.load(address, 48);
      a2 = accumulateFirst(a2, d0, d1, even2, even3);
      a3 = accumulateSecond(a3, d0, d1, even2, even3);
      d0 = v128.load(address, 64);
      d1 = v128.load(address, 80);
      a0 = accumulateFirst(a0, d0, d1, odd0, odd1);
      a1 = accumulateSecond(a1, d0, d1, odd0, odd1);
      d0 = v128.load(address, 96);
      d1 = v128.load(address, 112);
      a2 = accumulateFirst(a2, d0, d1, odd2, odd3);
      a3 = accumulateSecond(a3, d0, d1, odd2, odd3);
      address += 128;
      if (pair === 7) break;
      even0 = even1;
      even1 = even2;
      even2 = even3;
      odd0 = odd1;
      odd1 = odd2;
      odd2 = odd3;
      switch (pair) {
        case 0:
          even3 = key8;
          odd3 = key9;
          break;
        case 1:
          even3 = key10;
          odd3 = key11;
          break;
        case 2:
          even3 = key12;
          odd3 = key13;
          break;
        case 3:
          even3 = key14;
          odd3 = key15;
          break;
        case 4:
          even3 = key16;
          odd3 = key17;
          break;
        case 5:
          even3 = key18;
          odd3 = key19;
          break;
        default:
          even3 = key20;
          odd3 = key21;
          if (address + 128 === end) {
            odd0 = last0;
            odd1 = last1;
            odd2 = last2;
            odd3 = last3;
          }
      }
    }
    if (address === end) break;
    a0 = scramble(a0, key16);
    a1 = scramble(a1, key18);
    a2 = scramble(a2, key20);
    a3 = scramble(a3, key22);
  }
  let sum = <u64>pageBytes * prime64x1;
  sum += foldPair(v128.xor(a0, merge0));
  sum += foldPair(v128.xor(a1, merge1));
  sum += foldPair(v128.xor(a2, merge2));
  sum += foldPair(v128.xor(a3, merge3));
  return xxh3Avalanche(sum);
}

let hash: u64 = 0;

/** Hashes the page at `address`; 1 if its hash is not `expectedHigh` * 2^32 + `expectedLow`. */
export function check(address: usize, expectedLow: u32, expectedHigh: u32): i32 {
  hash = hashPage(address);
  return i32(hash !== (((<u64>expectedHigh) << 32) | <u64>expectedLow));
}

/** Low 32 bits of the hash that `check` computed last. */
export function hashLow(): u32 {
  return <u32>hash;
}

/** High 32 bits of the same. */
export function hashHigh(): u32 {
  return <u32>(hash >> 32);
}
