// What XXH64 and XXH3 share: their primes and the last steps that spread every input bit over the hash.
// biome-ignore-all lint/correctness/noPrecisionLoss: these are u64, not doubles

export const prime32x1: u64 = 0x9e3779b1;
export const prime32x2: u64 = 0x85ebca77;
export const prime32x3: u64 = 0xc2b2ae3d;
export const prime64x1: u64 = 0x9e3779b185ebca87;
export const prime64x2: u64 = 0xc2b2ae3d27d4eb4f;
export const prime64x3: u64 = 0x165667b19e3779f9;
export const prime64x4: u64 = 0x85ebca77c2b2ae63;
export const prime64x5: u64 = 0x27d4eb2f165667c5;
const primeMix1: u64 = 0x165667919e3779f9;
const primeMix2: u64 = 0x9fb21c651e98df25;

/** Both halves of the 128-bit product, xored. Built of four 32-bit products: WebAssembly has no wider one. */
export function multiplyFold(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const middle = aHigh * bLow;
  const cross = (low >> 32) + (middle & 0xffffffff) + aLow * bHigh;
  const upper = (middle >> 32) + (cross >> 32) + aHigh * bHigh;
  return upper ^ ((cross << 32) | (low & 0xffffffff));
}

export function xxh64Avalanche(hash: u64): u64 {
  hash = (hash ^ (hash >> 33)) * prime64x2;
  hash = (hash ^ (hash >> 29)) * prime64x3;
  return hash ^ (hash >> 32);
}

export function xxh3Avalanche(hash: u64): u64 {
  hash = (hash ^ (hash >> 37)) * primeMix1;
  return hash ^ (hash >> 32);
}

/** The stronger last step of inputs of 4 to 8 bytes ("rrmxmx"). */
export function xxh3ShortAvalanche(hash: u64, bytes: u64): u64 {
  hash ^= rotl<u64>(hash, 49) ^ rotl<u64>(hash, 24);
  hash *= primeMix2;
  hash = (hash ^ ((hash >> 35) + bytes)) * primeMix2;
  return hash ^ (hash >> 28);
}
