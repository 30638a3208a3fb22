import { createHash } from 'node:crypto';

/** Bytes of UTF-8 that the name of a region may have. */
const mostBytes = 255;

/** A file's path as a region's name: the path itself, or its hash where that is too long. Equal for equal paths alone. */
export function regionName(path: string): string {
  if (Buffer.byteLength(path) <= mostBytes) return path;
  return `sha256:${createHash('sha256').update(path).digest('hex')}`;
}
