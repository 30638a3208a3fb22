import { hash } from 'node:crypto';

/** Bytes of a short digest: the beginning of a SHA-256. */
export const shortDigestBytes = 16;

/** Writes the short digest of `bytes` to `into` at `at`. */
export function writeShortDigest(bytes: Uint8Array, into: Uint8Array, at: number): void {
  // As text: a buffer for each digest costs a third more.
  const digest = hash('sha256', bytes, 'binary');
  for (let index = 0; index < shortDigestBytes; index += 1) {
    into[at + index] = digest.charCodeAt(index);
  }
}
