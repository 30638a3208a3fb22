import type { KeyObject } from 'node:crypto';
import type { Catalog } from './catalog.js';
import type { Sealer } from './sealed.js';
import type { StoreFiles } from './store-files.js';
import type { Compression } from './types.js';

/** What the parts of an open store share. */
export interface StoreContext {
  readonly path: string;
  readonly files: StoreFiles;
  readonly sealer: Sealer;
  readonly signWith: KeyObject | undefined;
  readonly verifyWith: KeyObject | undefined;
  readonly compression: Compression;
  readonly packBytes: number;
  readonly lookupBytes: number;
  /** The catalog of what begins now. */
  catalog: Catalog;
}

/** What ids of pages are made with. */
export function idPrefixOf(sealer: Sealer): Uint8Array {
  return sealer.derive('page ids') ?? new Uint8Array(0);
}
