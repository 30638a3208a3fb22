// The rivals in plain JavaScript: what a careful programmer writes without WebAssembly. They work on words where they can.

const pageBytes = 4096;

/** Pages of `a` and `b` that differ, four bytes a step, leaving a page at its first difference. */
export function countChangedPages(a: Uint32Array, b: Uint32Array): number {
  const pageWords = pageBytes / 4;
  let changed = 0;
  for (let page = 0; page < a.length; page += pageWords) {
    for (let i = page; i < page + pageWords; i++) {
      if (a[i] !== b[i]) {
        changed++;
        break;
      }
    }
  }
  return changed;
}

/** A 32-bit hash of `words` in the manner of MurmurHash3: weaker than XXH3-64, and about as fast as JavaScript gets. */
export function hash32(words: Uint32Array): number {
  let hash = 0;
  for (let i = 0; i < words.length; i++) {
    const word = Math.imul(words[i] ?? 0, 0xcc9e2d51);
    hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  return hash;
}

/** XBZRLE with QEMU's result codes; unchanged stretches are skipped four bytes at a time. The pages lie at multiples of 4. */
export function encodeXbzrle(previous: Uint8Array, next: Uint8Array, out: Uint8Array): number {
  const words = next.length >> 2;
  const before = new Uint32Array(previous.buffer, previous.byteOffset, words);
  const after = new Uint32Array(next.buffer, next.byteOffset, words);
  let at = 0;
  let length = 0;
  while (at < next.length) {
    const zeroRun = at;
    while (at < next.length) {
      if ((at & 3) === 0) {
        while (at < next.length && before[at >> 2] === after[at >> 2]) at += 4;
        if (at >= next.length) break;
      }
      if (previous[at] !== next[at]) break;
      at++;
    }
    if (at >= next.length) return length;
    if (length + 2 > out.length) return -1;
    length = writeLength(out, length, at - zeroRun);
    const run = at;
    while (at < next.length && previous[at] !== next[at]) at++;
    if (length + 2 + at - run > out.length) return -1;
    length = writeLength(out, length, at - run);
    for (let i = run; i < at; i++) out[length++] = next[i] ?? 0;
  }
  return length;
}

/** Applies a well-formed delta to `page`. */
export function decodeXbzrle(delta: Uint8Array, page: Uint8Array): void {
  let at = 0;
  let offset = 0;
  while (at < delta.length) {
    let count = delta[at++] ?? 0;
    if (count > 127) count = (count & 127) | ((delta[at++] ?? 0) << 7);
    offset += count;
    count = delta[at++] ?? 0;
    if (count > 127) count = (count & 127) | ((delta[at++] ?? 0) << 7);
    page.set(delta.subarray(at, at + count), offset);
    at += count;
    offset += count;
  }
}

function writeLength(out: Uint8Array, at: number, length: number): number {
  if (length < 128) {
    out[at] = length;
    return at + 1;
  }
  out[at] = (length & 127) | 128;
  out[at + 1] = length >> 7;
  return at + 2;
}

/** Whether the pages at `offset`, a multiple of 4096, are equal, four bytes a step. */
export function isSamePage(a: Uint8Array, b: Uint8Array, offset: number): boolean {
  const words = pageBytes / 4;
  const left = new Uint32Array(a.buffer, a.byteOffset + offset, words);
  const right = new Uint32Array(b.buffer, b.byteOffset + offset, words);
  for (let i = 0; i < words; i++) {
    if (left[i] !== right[i]) return false;
  }
  return true;
}
