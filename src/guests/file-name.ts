import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { FerryError } from '../errors.js';

/** Linux's limit for one name, less what the partial's name adds. Bytes of UTF-8. */
const maxNameBytes = 255 - '..pageferry-partial'.length;

/**
 * The path for an image that a peer calls `name`, inside `folder` and nowhere else. Names with a slash, NUL or another control
 * character, "." and "..", empty and overlong ones are ERR_OUT_OF_RANGE.
 */
export function pathInFolder(folder: string, name: string): string {
  // \p{C}: controls, invisible formatting (text that reads backwards), lone surrogates.
  const bad = /[/\\\p{C}]/u.test(name) || name === '' || name === '.' || name === '..';
  if (bad || Buffer.byteLength(name) > maxNameBytes) {
    throw new FerryError(
      'ERR_OUT_OF_RANGE',
      `${JSON.stringify(name)} cannot be the name of a file here`,
    );
  }
  return join(folder, name);
}
