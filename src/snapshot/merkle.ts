import { createHash, hash } from 'node:crypto';
import { PAGE_ID_BYTES, type RegionRole, STORE_PAGE_BYTES } from './types.js';

/** Pages whose ids one leaf hashes. */
export const LEAF_PAGES = 512;

const roles: Readonly<Record<RegionRole, number>> = { memory: 0, file: 1, state: 2 };

/** Pages that `byteLength` bytes take, in a store. Of lengths that nobody checked too: unlike `pageCountOf` it refuses none. */
export function pagesOf(byteLength: number): number {
  return Math.ceil(byteLength / STORE_PAGE_BYTES);
}

/**
 * Hex root of a region: SHA-256 over its length as u64 and its leaves, each SHA-256 over the ids of 512 pages, 16 zero bytes for one of zeros. `idsOf` puts
 * the ids of some pages at the start of what it is given.
 */
export async function regionRoot(
  byteLength: number,
  idsOf: (firstPage: number, count: number, into: Uint8Array) => Promise<void>,
): Promise<string> {
  const root = createHash('sha256').update(u64(byteLength));
  const pages = pagesOf(byteLength);
  const ids = new Uint8Array(LEAF_PAGES * PAGE_ID_BYTES);
  for (let first = 0; first < pages; first += LEAF_PAGES) {
    const count = Math.min(LEAF_PAGES, pages - first);
    await idsOf(first, count, ids);
    root.update(hash('sha256', ids.subarray(0, count * PAGE_ID_BYTES), 'buffer'));
  }
  return root.digest('hex');
}

/** Hex root of a snapshot: over its regions in their order. */
export function snapshotRoot(
  regions: readonly { name: string; role: RegionRole; byteLength: number; root: string }[],
): string {
  const hash = createHash('sha256').update(u64(regions.length));
  for (const { name, role, byteLength, root } of regions) {
    const bytes = Buffer.from(name);
    hash.update(u64(bytes.length)).update(bytes);
    hash.update(Uint8Array.of(roles[role])).update(u64(byteLength));
    hash.update(Buffer.from(root, 'hex'));
  }
  return hash.digest('hex');
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value >>> 0, 0);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), 4);
  return bytes;
}
