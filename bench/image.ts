import { randomFillSync } from 'node:crypto';

/** `bytes` of memory of which about `zeroShare` of the pages are zero and the others random, evenly mixed. */
export function makeImage(bytes: number, zeroShare: number): Uint8Array {
  const image = new Uint8Array(bytes);
  let owed = 0;
  for (let at = 0; at < bytes; at += 4096) {
    owed += 1 - zeroShare;
    if (owed < 1) continue;
    owed -= 1;
    randomFillSync(image.subarray(at, Math.min(bytes, at + 4096)));
  }
  return image;
}
