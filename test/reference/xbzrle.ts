/** QEMU's XBZRLE, byte by byte: the naive twin of assembly/xbzrle.ts. */

function writeLength(out: number[], length: number): void {
  if (length < 128) out.push(length);
  else out.push((length & 127) | 128, length >> 7);
}

/** The delta from `previous` to `next`; null if it is longer than `capacity`. Empty where nothing changed. */
export function naiveEncode(
  previous: Uint8Array,
  next: Uint8Array,
  capacity: number,
): Uint8Array | null {
  const out: number[] = [];
  let at = 0;
  while (at < next.length) {
    const zeroRunStart = at;
    while (at < next.length && previous[at] === next[at]) at++;
    if (at === next.length) break;
    writeLength(out, at - zeroRunStart);
    const runStart = at;
    while (at < next.length && previous[at] !== next[at]) at++;
    writeLength(out, at - runStart);
    out.push(...next.subarray(runStart, at));
  }
  return out.length > capacity ? null : Uint8Array.from(out);
}

/** The page that `delta` makes of `page`, and the end of its last literal; null if the delta is malformed. */
export function naiveDecode(
  delta: Uint8Array,
  page: Uint8Array,
): { page: Uint8Array; end: number } | null {
  const result = page.slice();
  let at = 0;
  let offset = 0;
  const readLength = (): number => {
    const low = delta[at++] ?? 0;
    if (low < 128) return low;
    const high = delta[at++] ?? 255;
    return high < 128 ? (low & 127) | (high << 7) : -1;
  };
  while (at < delta.length) {
    const first = at === 0;
    if (delta.length - at < 2) return null;
    const zeroRun = readLength();
    if (zeroRun < 0 || (zeroRun === 0 && !first)) return null;
    offset += zeroRun;
    if (offset > page.length || delta.length - at < 2) return null;
    const run = readLength();
    if (run < 1 || offset + run > page.length || at + run > delta.length) return null;
    result.set(delta.subarray(at, at + run), offset);
    at += run;
    offset += run;
  }
  return { page: result, end: offset };
}
