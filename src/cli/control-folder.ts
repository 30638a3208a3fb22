import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FerryError } from '../errors.js';
import type { Side } from './failure.js';

/** Linux's limit for the path of a Unix socket is 107 bytes, other systems' 103. */
const maxSocketPathBytes = 103;

/**
 * The folder in which processes in doubt can be reached: ours, and closed to everybody else. ERR_IO where that cannot be had; a
 * folder somebody else made ready under this name is not used.
 */
export async function controlFolder(): Promise<string> {
  const folder = folderPath();
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST')
      throw new FerryError('ERR_IO', `cannot make ${folder}: ${error.message}`);
  });
  const { uid, mode } = await statFolder(folder);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new FerryError('ERR_IO', `${folder} belongs to somebody else or is open to others`);
  }
  return folder;
}

/** Where the process that is in doubt about `session`, on this `side`, can be reached. */
export function controlPath(folder: string, session: string, side: Side): string {
  const path = join(folder, `${session}.${side}`);
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new FerryError('ERR_IO', `${path} is too long for a socket`);
  }
  return path;
}

function folderPath(): string {
  const runtime = process.env['XDG_RUNTIME_DIR'];
  if (runtime !== undefined && runtime !== '') return join(runtime, 'pageferry');
  return join(tmpdir(), `pageferry-${process.getuid?.() ?? 'user'}`);
}

async function statFolder(folder: string): Promise<{ uid: number; mode: number }> {
  const stat = await lstat(folder);
  // A symbolic link would lead to whatever its maker likes.
  if (!stat.isDirectory()) throw new FerryError('ERR_IO', `${folder} is no folder`);
  return stat;
}
