/** Patches, byte by byte: the naive twin of assembly/patch-check.ts, patch-build.ts and patch-ring.ts. docs/protocol.md, section 4. */

const pageBytes = 4096;
const ringPages = 2048;

/** Deltas longer than this leave what they replace in the ring. */
export const ringedDeltaBytes = 128;

/** What was replaced not long ago. */
export class NaiveRing {
  static readonly byteLength: number = ringPages * pageBytes;
  #pushed: Uint8Array[] = [];

  push(page: Uint8Array): void {
    this.#pushed.push(page.slice());
    if (this.#pushed.length > ringPages) this.#pushed.shift();
  }

  /** The byte so far before the end, 1 to `byteLength`; zero where nothing was pushed. */
  byte(distance: number): number {
    const age = Math.ceil(distance / pageBytes);
    return this.#pushed.at(-age)?.[age * pageBytes - distance] ?? 0;
  }
}

/** What a patch may copy from: a region that is zero beyond its end, and its ring. */
export interface PatchGround {
  readonly region: Uint8Array;
  readonly ring: NaiveRing;
}

/** The page that `patch` makes of page `page` of the region; null if the patch is malformed. */
export function naivePatch(
  patch: Uint8Array,
  page: number,
  { region, ring }: PatchGround,
): Uint8Array | null {
  const place = page * pageBytes;
  const regionEnd = Math.ceil(region.length / pageBytes) * pageBytes;
  const result: number[] = [];
  let at = 0;
  /** A canonical varint; -1 if there is none. */
  const readVarint = (): number => {
    let number = 0;
    for (let index = 0; index < 5; index++) {
      const byte = patch[at++];
      if (byte === undefined) return -1;
      number += (byte % 128) * 128 ** index;
      if (byte >= 128) continue;
      return number > 0xffffffff || (byte === 0 && index > 0) ? -1 : number;
    }
    return -1;
  };
  let last = 0;
  let earlier = 0;
  if (patch.length === 0) return null;
  while (at < patch.length) {
    const token = patch[at++] ?? 0;
    const from = token % 4;
    let literals = Math.floor(token / 4) % 8;
    if (literals === 7) {
      const more = readVarint();
      if (more < 0) return null;
      literals += more;
    }
    if (literals > patch.length - at || literals > pageBytes - result.length) return null;
    for (const byte of patch.subarray(at, at + literals)) result.push(byte);
    at += literals;
    const isEnd = at === patch.length;
    if (isEnd && literals > 0 && from === 0 && token < 32) break;
    let copied = Math.floor(token / 32) + 4;
    if (copied === 11) {
      const more = readVarint();
      if (more < 0) return null;
      copied += more;
    }
    if (copied > pageBytes - result.length) return null;
    let displacement = 0;
    if (from === 1) displacement = last;
    if (from === 2) {
      [last, earlier] = [earlier, last];
      displacement = last;
    }
    if (from === 3) {
      const zigzag = readVarint();
      if (zigzag < 0) return null;
      earlier = last;
      last += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      displacement = last;
    }
    const source = place + result.length + displacement;
    if (source < -NaiveRing.byteLength) return null;
    if (source + copied > (source < 0 ? 0 : regionEnd)) return null;
    for (let index = source; index < source + copied; index++) {
      result.push(index < 0 ? ring.byte(-index) : (region[index] ?? 0));
    }
  }
  for (let index = result.length; index < pageBytes; index++) {
    result.push(region[place + index] ?? 0);
  }
  return Uint8Array.from(result);
}
