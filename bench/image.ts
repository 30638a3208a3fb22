import { randomFillSync } from 'node:crypto';

const pageBytes = 4096;

/**
 * `bytes` of memory of which about `zeroShare` of the pages are zero and the others random, evenly mixed in stretches of `stretchPages`:
 * 1 is the worst there is, as nothing can be said or written of two neighbours at once.
 */
export function makeImage(bytes: number, zeroShare: number, stretchPages = 1): Uint8Array {
  const image = new Uint8Array(bytes);
  const stretchBytes = stretchPages * pageBytes;
  let owed = 0;
  for (let at = 0; at < bytes; at += stretchBytes) {
    owed += 1 - zeroShare;
    if (owed < 1) continue;
    owed -= 1;
    randomFillSync(image.subarray(at, Math.min(bytes, at + stretchBytes)));
  }
  return image;
}
