import { pageBytes } from './page';

/** The bits in which the 64 bytes at `address` differ from `pattern` repeated, folded into 16 bytes. */
function difference64(address: usize, pattern: v128): v128 {
  return v128.or(
    v128.or(v128.xor(v128.load(address), pattern), v128.xor(v128.load(address, 16), pattern)),
    v128.or(v128.xor(v128.load(address, 32), pattern), v128.xor(v128.load(address, 48), pattern)),
  );
}

/** Whether the page at `address` is its first 8 bytes repeated; a page of zeros is. */
export function isFillPage(address: usize): bool {
  // Nearly every other page ends the question here.
  if (load<u64>(address) !== load<u64>(address, 8)) return false;
  const pattern = v128.load64_splat(address);
  for (const end = address + pageBytes; address < end; address += 128) {
    const difference = v128.or(difference64(address, pattern), difference64(address + 64, pattern));
    if (v128.any_true(difference)) return false;
  }
  return true;
}

/** Makes the page at `address` the 8 bytes `pattern` repeated. */
export function fillPage(address: usize, pattern: u64): void {
  const both = i64x2.splat(pattern);
  for (const end = address + pageBytes; address < end; address += 64) {
    v128.store(address, both);
    v128.store(address, both, 16);
    v128.store(address, both, 32);
    v128.store(address, both, 48);
  }
}

/** How many of the 4096 bytes at `address` are zero. */
export function countZeroBytes(address: usize): u32 {
  let sum = i32x4.splat(0);
  for (const end = address + pageBytes; address < end; address += 128) {
    // A comparison gives -1 where it holds: each lane counts down to -8 before the lanes are added up.
    let counts = i8x16.splat(0);
    for (let at: usize = 0; at < 128; at += 16) {
      counts = i8x16.add(counts, i8x16.eq(v128.load(address + at), i8x16.splat(0)));
    }
    sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(counts)));
  }
  return <u32>(
    -(
      i32x4.extract_lane(sum, 0) +
      i32x4.extract_lane(sum, 1) +
      i32x4.extract_lane(sum, 2) +
      i32x4.extract_lane(sum, 3)
    )
  );
}
