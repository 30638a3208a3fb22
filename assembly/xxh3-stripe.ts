// One stripe (64 bytes) of XXH3's long-input loop, in WebAssembly's 128-bit lanes.
//
//   accumulators   a0 = acc[0..1]   a1 = acc[2..3]   a2 = acc[4..5]   a3 = acc[6..7]     (u64 each)
//   key            k = data ^ secret
//   acc[i] += low32(k[i]) * high32(k[i]);   acc[i ^ 1] += data[i]
//
// pmuludq wants its factors in the even u32 lanes, so two keys are split together: their low halves into one vector, their high halves
// into another; extmul_low then multiplies those of the first key, extmul_high those of the second. Data crosses to its neighbour's
// accumulator; sums of data may cross at once, as nothing but addition happens to an accumulator within a block.
import {
  prime32x1,
  prime32x2,
  prime32x3,
  prime64x1,
  prime64x2,
  prime64x3,
  prime64x4,
  prime64x5,
} from './mix';

export function initial0(): v128 {
  return i64x2(prime32x3, prime64x1);
}

export function initial1(): v128 {
  return i64x2(prime64x2, prime64x3);
}

export function initial2(): v128 {
  return i64x2(prime64x4, prime32x2);
}

export function initial3(): v128 {
  return i64x2(prime64x5, prime32x1);
}

/** The products of the first of two neighbouring vectors of data, `x` and `y`, under the keys `k` and `l`. */
export function productsOfFirst(x: v128, y: v128, k: v128, l: v128): v128 {
  const first = v128.xor(x, k);
  const second = v128.xor(y, l);
  const lows = v128.shuffle<i32>(first, second, 0, 2, 4, 6);
  const highs = v128.shuffle<i32>(first, second, 1, 3, 5, 7);
  return i64x2.extmul_low_i32x4_u(lows, highs);
}

/** Those of the second. Inlined next to each other, the two share their key split. */
export function productsOfSecond(x: v128, y: v128, k: v128, l: v128): v128 {
  const first = v128.xor(x, k);
  const second = v128.xor(y, l);
  const lows = v128.shuffle<i32>(first, second, 0, 2, 4, 6);
  const highs = v128.shuffle<i32>(first, second, 1, 3, 5, 7);
  return i64x2.extmul_high_i32x4_u(lows, highs);
}

/** The accumulator `a` with data, or a sum of it, added across. */
export function addCrossed(a: v128, data: v128): v128 {
  return i64x2.add(a, v128.shuffle<i64>(data, data, 1, 0));
}

/** Accumulator `a` of the first of two neighbouring vectors of data, `x` and `y`, after their stripe under keys `k` and `l`. */
export function accumulateFirst(a: v128, x: v128, y: v128, k: v128, l: v128): v128 {
  return i64x2.add(addCrossed(a, x), productsOfFirst(x, y, k, l));
}

/** The same for accumulator `b` of the second. */
export function accumulateSecond(b: v128, x: v128, y: v128, k: v128, l: v128): v128 {
  return i64x2.add(addCrossed(b, y), productsOfSecond(x, y, k, l));
}

/** What is done to every accumulator after each block of 16 stripes. */
export function scramble(accumulator: v128, key: v128): v128 {
  const mixed = v128.xor(v128.xor(accumulator, i64x2.shr_u(accumulator, 47)), key);
  return i64x2.mul(mixed, i64x2.splat(prime32x1));
}
