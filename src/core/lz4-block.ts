/**
 * The `byteLength` bytes that an LZ4 block says. For what comes with this package: damage is not looked for. The kernels do this faster, but
 * they are what is packed.
 */
export function unpackLz4(block: Uint8Array, byteLength: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(byteLength);
  let written = 0;
  let at = 0;
  const next = (): number => block[at++] ?? 0;
  const length = (nibble: number): number => {
    let sum = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; sum += byte) byte = next();
    return sum;
  };
  while (at < block.length) {
    const token = next();
    for (let end = written + length(token >> 4); written < end; ) out[written++] = next();
    if (at === block.length) break;
    const distance = next() + 256 * next();
    const end = written + 4 + length(token & 15);
    for (; written < end; written++) out[written] = out[written - distance] ?? 0;
  }
  return out;
}
