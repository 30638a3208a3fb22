import { pageBytes } from './page';

/** Whether the 128 bytes at `address` hold a set bit. */
function anySet128(address: usize): bool {
  const low = v128.or(
    v128.or(v128.load(address), v128.load(address, 16)),
    v128.or(v128.load(address, 32), v128.load(address, 48)),
  );
  const high = v128.or(
    v128.or(v128.load(address, 64), v128.load(address, 80)),
    v128.or(v128.load(address, 96), v128.load(address, 112)),
  );
  return v128.any_true(v128.or(low, high));
}

/** 1 if all `bytes` (a multiple of 128) at `address` are zero. Leaves at the first 128 bytes that are not. */
export function isZero(address: usize, bytes: usize): i32 {
  for (const end = address + bytes; address < end; address += 128) {
    if (anySet128(address)) return 0;
  }
  return 1;
}

/**
 * Whether the page at `address` is all zeros; reads along, in step, in the page at `beside`. Of two streams that are read in step the
 * processor fetches both ahead across pages; one that pauses for a page costs more than to read that page.
 */
export function isZeroPageBeside(address: usize, beside: usize): bool {
  for (const end = address + pageBytes; address < end; address += 128, beside += 128) {
    load<u8>(beside);
    load<u8>(beside, 64);
    if (anySet128(address)) return false;
  }
  return true;
}

/** Whether the page at `address` is all zeros. */
export function isZeroPage(address: usize): bool {
  return isZero(address, pageBytes) !== 0;
}
