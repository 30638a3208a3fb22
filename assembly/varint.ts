// Canonical ULEB128 of a u32: 1 to 5 bytes, the shortest form only. docs/protocol.md, section 4.

/** Most bytes a varint takes. */
export const varintBytes: usize = 5;

/** Writes `value` at `out`; returns the address after it. */
export function writeVarint(out: usize, value: u32): usize {
  while (value > 127) {
    store<u8>(out, <u8>(value | 128));
    value >>= 7;
    out += 1;
  }
  store<u8>(out, <u8>value);
  return out + 1;
}

/**
 * Reads the varint at `at`, nothing at or beyond `end`. Returns the address after it in the upper and the value in the lower 32 bits;
 * 0 if it is cut off, above 2^32 - 1, or longer than it had to be.
 */
export function readVarint(at: usize, end: usize): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 35; shift += 7) {
    if (at >= end) return 0;
    const byte = <u64>load<u8>(at);
    at += 1;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      if ((byte === 0 && shift !== 0) || value > 0xffffffff) return 0;
      return ((<u64>at) << 32) | value;
    }
  }
  return 0;
}
