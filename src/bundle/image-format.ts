import { spawn } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { FerryError } from '../errors.js';
import { fileError, readAt, systemCode } from '../guests/file-io.js';
import { hashFile } from './content-hash.js';

export type ImageFormat = 'raw' | 'qcow2';

/** What a disk of 4 MB/s needs for so many bytes, and a minute. */
const minuteMs = 60_000;
const bytesPerMs = 4096;
const headerBytes = 80;
const externalData = 4;
const mostSaid = 1000;

/** ERR_UNSUPPORTED where there is no qemu-img. */
export async function checkConverter(): Promise<void> {
  await qemuImg(['--version'], minuteMs);
}

/** What a disk image is called once it has another format: `disk.qcow2` becomes `disk.raw`. */
export function convertedPath(path: string, format: ImageFormat): string {
  return path.replace(/\.(qcow2|raw|img)$/, `.${format}`);
}

/**
 * Writes the image at `from` anew at `to`, in another format, by qemu-img; it is synced. ERR_UNSUPPORTED without qemu-img, or where the image refers to other files, which a peer
 * must not have us read; ERR_IMAGE_TOO_LARGE where the disk in it has more than `maxBytes`; ERR_DISK_FULL; ERR_IO with what qemu-img said.
 */
export async function convertImage(
  from: { readonly path: string; readonly format: ImageFormat },
  to: { readonly path: string; readonly format: ImageFormat },
  maxBytes: number,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const diskBytes = await checkImage(from.path, from.format, maxBytes);
  await rm(to.path, { force: true });
  const formats = ['-f', from.format, '-O', to.format];
  await qemuImg(['convert', ...formats, from.path, to.path], minuteMs + diskBytes / bytesPerMs);
  const handle = await open(to.path, 'r+');
  try {
    await handle.sync();
    const { size } = await handle.stat();
    return { bytes: size, sha256: await hashFile(handle, size) };
  } catch (error) {
    throw fileError(error, `cannot write ${to.path}`);
  } finally {
    await handle.close();
  }
}

/** Bytes of the disk in the image. Header of qcow2: docs/interop/qcow2.txt of QEMU, big-endian. */
async function checkImage(path: string, format: ImageFormat, maxBytes: number): Promise<number> {
  const handle = await open(path);
  try {
    let { size: bytes } = await handle.stat();
    if (format === 'qcow2') {
      const header = Buffer.alloc(headerBytes);
      await readAt(handle, 0, header);
      const version = header.readUInt32BE(4);
      if (header.toString('latin1', 0, 4) !== 'QFI\xfb' || (version !== 2 && version !== 3)) {
        throw new FerryError('ERR_OUT_OF_RANGE', 'what is said to be qcow2 is none');
      }
      const refers =
        header.readBigUInt64BE(8) !== 0n ||
        (version === 3 && (header.readUInt8(79) & externalData) !== 0);
      if (refers) {
        throw new FerryError(
          'ERR_UNSUPPORTED',
          'a qcow2 image that refers to another file: flatten it first',
        );
      }
      bytes = Number(header.readBigUInt64BE(24));
    }
    if (bytes <= maxBytes) return bytes;
    throw new FerryError(
      'ERR_IMAGE_TOO_LARGE',
      `a disk of ${bytes} bytes; at most ${maxBytes} are taken`,
    );
  } finally {
    await handle.close();
  }
}

function qemuImg(args: readonly string[], timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-img', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: timeoutMs,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-mostSaid);
    });
    child.on('error', (cause) => {
      const isMissing = systemCode(cause) === 'ENOENT';
      const what = isMissing
        ? 'there is no qemu-img: install qemu-utils, or take images as they are'
        : cause.message;
      reject(new FerryError(isMissing ? 'ERR_UNSUPPORTED' : 'ERR_IO', what, { cause }));
    });
    child.on('close', (code, signal) => {
      if (code === 0) return resolve();
      const full = said.includes('No space left');
      const what = `qemu-img ended with ${code ?? signal}: ${said.trim()}`;
      reject(new FerryError(full ? 'ERR_DISK_FULL' : 'ERR_IO', what));
    });
  });
}
