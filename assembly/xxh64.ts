// XXH64, any length. Source: the xxHash specification, section "XXH64 algorithm description".
import { prime64x1, prime64x2, prime64x3, prime64x4, prime64x5, xxh64Avalanche } from './mix';

function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * prime64x2, 31) * prime64x1;
}

function mergeLane(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * prime64x1 + prime64x4;
}

/** XXH64 of `bytes` bytes at `address`. */
export function xxh64(address: usize, bytes: usize, seed: u64): u64 {
  const end = address + bytes;
  let hash = seed + prime64x5;
  if (bytes >= 32) {
    let lane0 = seed + prime64x1 + prime64x2;
    let lane1 = seed + prime64x2;
    let lane2 = seed;
    let lane3 = seed - prime64x1;
    for (const last = end - 32; address <= last; address += 32) {
      lane0 = round(lane0, load<u64>(address));
      lane1 = round(lane1, load<u64>(address, 8));
      lane2 = round(lane2, load<u64>(address, 16));
      lane3 = round(lane3, load<u64>(address, 24));
    }
    hash = rotl<u64>(lane0, 1) + rotl<u64>(lane1, 7) + rotl<u64>(lane2, 12) + rotl<u64>(lane3, 18);
    hash = mergeLane(hash, lane0);
    hash = mergeLane(hash, lane1);
    hash = mergeLane(hash, lane2);
    hash = mergeLane(hash, lane3);
  }
  hash += <u64>bytes;
  for (; address + 8 <= end; address += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(address)), 27) * prime64x1 + prime64x4;
  }
  if (address + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(address) * prime64x1), 23) * prime64x2 + prime64x3;
    address += 4;
  }
  for (; address < end; address++) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(address) * prime64x5), 11) * prime64x1;
  }
  return xxh64Avalanche(hash);
}
