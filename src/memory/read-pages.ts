import { FerryError, type FerryErrorCode } from '../errors.js';
import { PAGE_BYTES } from './pages.js';
import type { Region } from './region.js';

/** Pages of one region, and how long it is taken to be: it may have grown meanwhile. */
export interface PageStretch {
  readonly region: Region;
  readonly byteLength: number;
  readonly first: number;
  readonly count: number;
}

/** Bytes of the pages that lie inside the region: all, but for a partial last page. */
export function bytesOfPages({ byteLength, first, count }: PageStretch): number {
  return Math.min((first + count) * PAGE_BYTES, byteLength) - first * PAGE_BYTES;
}

function tooShort({ region, byteLength }: PageStretch, code: FerryErrorCode): FerryError {
  return new FerryError(
    code,
    `region ${region.id} "${region.name}" is shorter than the ${byteLength} bytes it had`,
  );
}

/**
 * Copies the pages to the start of `into`, the last one zero-padded. In-process memory is copied at once; only a region that has to be
 * read asynchronously gives a promise. `shortCode` is thrown if the region ends too early.
 */
export function readPages(
  stretch: PageStretch,
  into: Uint8Array,
  shortCode: FerryErrorCode,
): Promise<void> | undefined {
  const { region, byteLength, first, count } = stretch;
  const offset = first * PAGE_BYTES;
  const bytes = bytesOfPages(stretch);
  if (bytes < count * PAGE_BYTES) into.fill(0, bytes, count * PAGE_BYTES);
  if (region.memory !== undefined) {
    const memory = region.memory();
    if (memory.byteLength < byteLength) throw tooShort(stretch, shortCode);
    into.set(memory.subarray(offset, offset + bytes));
    return undefined;
  }
  const read = region.read(offset, into.subarray(0, bytes));
  if (typeof read !== 'number') {
    return read.then((got) => {
      if (got < bytes) throw tooShort(stretch, shortCode);
    });
  }
  if (read < bytes) throw tooShort(stretch, shortCode);
  return undefined;
}

/**
 * Fills `into` with the bytes from `offset` on of a region taken to be `byteLength` long; what lies beyond is zero. As `readPages`, but for
 * any bytes.
 */
export function readBytes(
  region: Region,
  byteLength: number,
  offset: number,
  into: Uint8Array,
): Promise<void> | undefined {
  const bytes = Math.max(0, Math.min(into.byteLength, byteLength - offset));
  if (bytes < into.byteLength) into.fill(0, bytes);
  if (region.memory !== undefined) {
    into.set(region.memory().subarray(offset, offset + bytes));
    return undefined;
  }
  const read = region.read(offset, into.subarray(0, bytes));
  return typeof read === 'number' ? undefined : read.then(() => {});
}

/** Writes whole pages, cut at the end of the region. In-process memory is written at once. */
export function writePages(stretch: PageStretch, from: Uint8Array): Promise<void> | undefined {
  const { region, first } = stretch;
  const offset = first * PAGE_BYTES;
  const bytes = from.subarray(0, bytesOfPages(stretch));
  if (region.memory !== undefined) {
    region.memory().set(bytes, offset);
    return undefined;
  }
  return region.write(offset, bytes) ?? undefined;
}
