import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { fileError } from '../guests/file-io.js';
import {
  type Description,
  maxBundleFiles,
  maxManifestBytes,
  parseDescription,
} from './manifest.js';
import { isOurs, kindAt, manifestName, recordName } from './paths.js';

/** What the operator says of the bundle in `folder`; nothing where there is no `bundle.json`. */
export async function readDescription(
  folder: string,
): Promise<Description & { readonly clean?: boolean }> {
  const path = join(folder, manifestName);
  const kind = await kindAt(path);
  if (kind === undefined) return parseDescription(Buffer.from('{}'));
  try {
    const { size } = await lstat(path);
    if (kind !== 'file' || size > maxManifestBytes) {
      throw new FerryError('ERR_IO', `${path} is no file of at most ${maxManifestBytes} bytes`);
    }
    return parseDescription(await readFile(path));
  } catch (error) {
    throw fileError(error, `cannot read ${path}`);
  }
}

/**
 * The paths of all files below `folder` but pageferry's own, in order. ERR_UNSUPPORTED for what is neither file nor folder, ERR_OUT_OF_RANGE for names that are no UTF-8, and
 * for more files than a bundle has.
 */
export async function listFiles(folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  await walk(folder, '', paths);
  return paths.sort();
}

async function walk(folder: string, prefix: string, paths: string[]): Promise<void> {
  const here = join(folder, prefix);
  const entries = await readdir(here, { withFileTypes: true, encoding: 'buffer' }).catch(
    (error: unknown) => {
      throw fileError(error, `cannot read ${here}`);
    },
  );
  for (const entry of entries) {
    const name = entry.name.toString();
    const path = `${prefix}${name}`;
    if (!Buffer.from(name).equals(entry.name)) {
      throw new FerryError('ERR_OUT_OF_RANGE', `${join(here, name)}: its name is no UTF-8`);
    }
    if (path === manifestName || path === recordName || isOurs(name)) continue;
    if (entry.isDirectory()) await walk(folder, `${path}/`, paths);
    else if (!entry.isFile()) {
      const what = `${join(here, name)} is neither a file nor a folder: a bundle has no links, sockets or devices`;
      throw new FerryError('ERR_UNSUPPORTED', what);
    } else if (paths.push(path) > maxBundleFiles) {
      throw new FerryError('ERR_OUT_OF_RANGE', `${folder} has more than ${maxBundleFiles} files`);
    }
  }
}
