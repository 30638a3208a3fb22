import { FerryError } from '../errors.js';

/**
 * A state made of several: u32 count, u32 length of each, then each from a multiple of 4096 on, all little-endian. So one that grows does not move
 * what is behind it, and a state is said by how it differs from one before (docs/protocol.md, STATE_DELTA).
 */
const unitBytes = 4096;
const mostParts = 64;

const padded = (bytes: number): number => Math.ceil(bytes / unitBytes) * unitBytes;

/** At most 64 parts, of less than 4 GiB together. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length > mostParts) throw new RangeError(`${parts.length} parts of a state`);
  const headBytes = padded(4 + 4 * parts.length);
  const totalBytes = parts.reduce((sum, part) => sum + padded(part.byteLength), headBytes);
  const joined = new Uint8Array(totalBytes);
  const head = new DataView(joined.buffer);
  head.setUint32(0, parts.length, true);
  let at = headBytes;
  parts.forEach((part, index) => {
    head.setUint32(4 + 4 * index, part.byteLength, true);
    joined.set(part, at);
    at += padded(part.byteLength);
  });
  return joined;
}

/** The parts, views of `bytes`. ERR_GUEST unless `joinParts` made it of `count` parts. */
export function splitParts(bytes: Uint8Array, count: number): Uint8Array[] {
  const headBytes = padded(4 + 4 * count);
  if (bytes.byteLength < headBytes) throw malformed(`it is ${bytes.byteLength} bytes`);
  const head = new DataView(bytes.buffer, bytes.byteOffset, headBytes);
  const found = head.getUint32(0, true);
  if (found !== count) throw malformed(`it has ${found} parts, not ${count}`);
  const parts: Uint8Array[] = [];
  let at = headBytes;
  for (let index = 0; index < count; index++) {
    const byteLength = head.getUint32(4 + 4 * index, true);
    if (byteLength > bytes.byteLength - at) throw malformed(`part ${index} ends outside of it`);
    parts.push(bytes.subarray(at, at + byteLength));
    at += padded(byteLength);
  }
  if (at !== bytes.byteLength) throw malformed(`${bytes.byteLength - at} bytes are left over`);
  return parts;
}

function malformed(why: string): FerryError {
  return new FerryError('ERR_GUEST', `not a state: ${why}`);
}
