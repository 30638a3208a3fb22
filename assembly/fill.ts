import { pageBytes } from './page';

/** The bits in which the 64 bytes at `address` differ from `pattern` repeated, folded into 16 bytes. */
function difference64(address: usize, pattern: v128): v128 {
  return v128.or(
    v128.or(
      v128.xor(v128.load(address), pattern),
      v128.xor(v128.load(address, 16), pattern),
    ),
    v128.or(
      v128.xor(v128.load(address, 32), pattern),
      v128.xor(v128.load(address, 48), pattern),
    ),
  );
}

/** Whether the page at `address` is its first 8 bytes repeated; a page of zeros is. */
export function isFillPage(address: usize): bool {
  // Nearly every other page ends the question here.
  if (load<u64>(address) != load<u64>(address, 8)) return false;
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
