/** The LZ4 block format, byte by byte: the naive twin of the decoder in assembly/lz4.ts. */

/** What `block` says, at most `limit` bytes; null if it is malformed or says more. */
export function naiveLz4(block: Uint8Array, limit: number): Uint8Array | null {
  const out: number[] = [];
  let at = 0;
  const length = (nibble: number): number => {
    let sum = nibble;
    if (nibble < 15) return sum;
    for (;;) {
      const byte = block[at++];
      if (byte === undefined) return Number.NaN;
      sum += byte;
      if (byte < 255) return sum;
    }
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = length(token >> 4);
    if (!(at + literals <= block.length && out.length + literals <= limit)) return null;
    for (let i = 0; i < literals; i++) out.push(block[at++] ?? 0);
    if (at === block.length) return Uint8Array.from(out);
    const low = block[at++] ?? 0;
    const high = block[at++];
    if (high === undefined) return null;
    const offset = low + 256 * high;
    const copied = length(token & 15) + 4;
    if (offset === 0 || offset > out.length || !(out.length + copied <= limit)) return null;
    for (let i = 0; i < copied; i++) out.push(out[out.length - offset] ?? 0);
  }
  return null;
}
