import { dirname, join } from 'node:path';
import { partialPathOf } from '../guests/partial-file.js';
import { convertedPath, convertImage, type ImageFormat } from './image-format.js';
import type { BundleFile } from './manifest.js';

/** A file in the other format: what it is now, and where it was written. */
export interface ConvertedFile {
  readonly file: BundleFile;
  readonly at: string;
}

/**
 * Converts those of `files`, which arrived in `staging`, that are disk images of another format than `format`. By the path that they had. Failures: `convertImage`;
 * `maxBytes` is of a disk.
 */
export async function convertImages(
  staging: string,
  files: readonly BundleFile[],
  format: ImageFormat,
  maxBytes: number,
): Promise<Map<string, ConvertedFile>> {
  const converted = new Map<string, ConvertedFile>();
  const other: ImageFormat = format === 'raw' ? 'qcow2' : 'raw';
  for (const file of files) {
    if (file.format !== other) continue;
    const from = join(staging, file.path);
    const at = join(dirname(from), `.${file.path.split('/').at(-1)}.pageferry-converted`);
    const image = { path: partialPathOf(from), format: other };
    const made = await convertImage(image, { path: at, format }, maxBytes);
    const path = convertedPath(file.path, format);
    converted.set(file.path, { file: { ...file, ...made, path, format }, at });
  }
  return converted;
}
