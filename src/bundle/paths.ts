import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FerryError } from '../errors.js';
import { systemCode } from '../guests/file-io.js';
import { pathInFolder } from '../guests/file-name.js';

/** What a bundle says of itself. */
export const manifestName = 'bundle.json';
/** What the registry knows of it. */
export const recordName = '.pageferry-bundle.json';
const maxPathBytes = 200;
const maxFolders = 8;

/** ERR_OUT_OF_RANGE unless it leads to a file below the folder it is joined to, and nowhere else: no "..", no empty part, nothing absolute. */
export function checkPath(path: string): void {
  const parts = path.split('/');
  if (parts.length > maxFolders || Buffer.byteLength(path) > maxPathBytes) {
    throw new FerryError(
      'ERR_OUT_OF_RANGE',
      `${JSON.stringify(path.slice(0, maxPathBytes))} is too long, or in too many folders, for a bundle`,
    );
  }
  for (const part of parts) pathInFolder('.', part);
}

/** ERR_OUT_OF_RANGE for what no bundle can be called. */
export function checkName(name: string): void {
  pathInFolder('.', name);
  if (!isOurs(name)) return;
  throw new FerryError('ERR_OUT_OF_RANGE', `${JSON.stringify(name)} is pageferry's own name`);
}

/** Names that are not a bundle's content. */
export function isReserved(path: string): boolean {
  return (
    path === manifestName || path === recordName || path.split('/').some((part) => isOurs(part))
  );
}

/** Of files that are under construction. */
export function isOurs(name: string): boolean {
  return name.startsWith('.') && /\.pageferry-(partial|bundle|old|converted)$/.test(name);
}

/** Where a bundle is while it arrives, and where an older one is while it is replaced. */
export function stagingOf(place: string): string {
  return join(dirname(place), `.${basename(place)}.pageferry-bundle`);
}

export function olderOf(place: string): string {
  return join(dirname(place), `.${basename(place)}.pageferry-old`);
}

/** What lies at `path` itself; a link is a link. */
export async function kindAt(path: string): Promise<'folder' | 'file' | 'other' | undefined> {
  try {
    const stats = await lstat(path);
    if (stats.isDirectory()) return 'folder';
    return stats.isFile() ? 'file' : 'other';
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return undefined;
    throw error;
  }
}

/** The file `path` of the bundle at `folder`, if there is one that no link leads to. */
export async function fileIn(folder: string, path: string): Promise<string | undefined> {
  const parts = path.split('/');
  let at = folder;
  for (const [index, part] of ['.', ...parts].entries()) {
    at = join(at, part);
    const kind = await kindAt(at);
    if (kind !== (index === parts.length ? 'file' : 'folder')) return undefined;
  }
  return at;
}
