import { writeShortDigest } from '../guests/short-digest.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { heldDigestBytes } from '../protocol/limits.js';

/** What HELD says of bytes: the beginning of their SHA-256. What an image held before has to be told by a hash that no content can be made for. */
export function heldDigest(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(heldDigestBytes);
  writeShortDigest(bytes, digest, 0);
  return digest;
}

/** The same of each page of `bytes`, one after the other. A range's digest is that of its pages' digests: no byte is hashed twice. */
export function pageDigests(bytes: Uint8Array): Uint8Array {
  const pages = bytes.byteLength / PAGE_BYTES;
  const digests = new Uint8Array(pages * heldDigestBytes);
  for (let page = 0; page < pages; page++) {
    const part = bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    writeShortDigest(part, digests, page * heldDigestBytes);
  }
  return digests;
}
