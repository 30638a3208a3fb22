import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { FerryError } from '../errors.js';
import { fileError, systemCode } from './file-io.js';

/** Held until released; the kernel releases it when its process ends, however it ends. */
export interface PlaceLock {
  release(): Promise<void>;
}

/**
 * Takes the right to write file `name` in the folder with this device and inode number: an abstract Unix socket of Linux, of which
 * there can be one at a time. ERR_BUSY if another process has it. Elsewhere undefined: there is no such lock. It does not reach
 * across network namespaces; `FileDestination` checks before it renames that the file is still its own.
 */
export async function lockPlace(
  device: bigint,
  inode: bigint,
  name: string,
): Promise<PlaceLock | undefined> {
  if (process.platform !== 'linux') return undefined;
  const place = createHash('sha256').update(`${device} ${inode} ${name}`).digest('hex');
  const server = createServer((stranger) => stranger.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const taken = systemCode(error) === 'EADDRINUSE';
      reject(
        taken
          ? new FerryError('ERR_BUSY', `another process is receiving ${name}`)
          : fileError(error, `cannot lock ${name}`),
      );
    });
    // exclusive: in a cluster worker the primary would hold it otherwise.
    server.listen({ path: `\0pageferry-${place.slice(0, 48)}`, exclusive: true }, resolve);
  });
  server.unref();
  return {
    release: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
