import type { KeyObject } from 'node:crypto';
import type { Json } from '../guests/json-state.js';
import type { StoreFiles } from './store-files.js';

export type { Json };

/** Bytes of a page, and of its id. */
export const STORE_PAGE_BYTES = 4096;
export const PAGE_ID_BYTES = 16;
/** Most pages in one `write`, and most objects in one block of a pack. */
export const MAX_BATCH_PAGES = 64;

export interface StoreOptions {
  /** 32 bytes. A store created with a key is encrypted, and opens with that key only. */
  readonly key?: Uint8Array;
  /** Ed25519 private key: manifests written here are signed. */
  readonly signWith?: KeyObject;
  /** Ed25519 public key: snapshots that it has not signed are refused with ERR_AUTH. */
  readonly verifyWith?: KeyObject;
  /** Default: this machine's. */
  readonly files?: StoreFiles;
  /** How blocks are compressed that come uncompressed. Default lz4. zstd: ERR_UNSUPPORTED where node:zlib has none. */
  readonly compression?: Compression;
  /** A pack is closed when it has so many bytes. Default 64 MiB; 1 MiB to 1 GiB. */
  readonly packBytes?: number;
  /** What finding pages that the store has may take. Default 112 MiB, enough for 100 GiB of pages; beyond it the oldest packs are not looked in. */
  readonly lookupBytes?: number;
}

export type Compression = 'none' | 'lz4' | 'zstd';

/** The numbers of the ways a block is stored, in this order. */
export const blockMethod = { none: 0, lz4: 1, zstd: 2 } as const;

export type RegionRole = 'memory' | 'file' | 'state';

export interface RegionPlan {
  /** Unique in its snapshot. A relative path with "/", no "." or ".." or empty part, well-formed, without NUL, up to 4096 bytes of UTF-8. */
  readonly name: string;
  readonly role: RegionRole;
  readonly byteLength: number;
  /** A region may become so long until it is published. Default `byteLength`. */
  readonly maxByteLength?: number;
  readonly metadata?: Json;
}

export interface BeginOptions {
  /** Of the snapshot; several may have the same. Well-formed, no controls, 1 to 255 bytes of UTF-8. */
  readonly name: string;
  /** Its regions of the same name and role are what pages are compared with. */
  readonly parent?: SnapshotInfo;
  readonly regions: readonly RegionPlan[];
  /** Identity of a guest. */
  readonly guest?: Json;
  /** Changed pages may be stored as what changed. Default true. */
  readonly deltas?: boolean;
}

/** A block as it is stored: `method` of `blockMethod`. */
export interface BlockBytes {
  readonly method: number;
  readonly bytes: Uint8Array;
}

export interface PageBatch {
  readonly region: number;
  /** Page numbers in the region, ascending, 1 to 64, none of them all zeros. */
  readonly pages: Uint32Array;
  /** 16 bytes each: the first of SHA-256(idPrefix + page), the last page of a region filled up with zeros. */
  readonly ids: Uint8Array;
  /** 4096 bytes each. */
  readonly bytes: Uint8Array;
  /** The same pages in this order, compressed: stored as it is if all of them are new and go whole. */
  readonly block?: BlockBytes;
}

export interface WriterCounts {
  /** Pages written that equal the parent's, that the store had, stored whole, and stored as deltas; pages kept. */
  same: number;
  known: number;
  whole: number;
  delta: number;
  kept: number;
  /** Bytes of all files written so far. */
  storedBytes: number;
}

export interface FinalState {
  /** The guest had been quiesced, or the file was not open anywhere. Default true; false: "forced". */
  readonly clean?: boolean;
  readonly metadata?: Json;
  /** Final lengths by region, up to their maxByteLength. Default: as planned. */
  readonly byteLengths?: readonly number[];
  /** Final metadata by region. Default: as planned. */
  readonly regionMetadata?: readonly (Json | undefined)[];
}

/**
 * Fingerprints of pages, 8 bytes each: XXH3-64 with a secret of the store's. A page whose fingerprint is the parent's is as it was; that spares its id, which
 * takes ten times as long. They are no identity: nothing is found or proven by them.
 */
export interface PageFingerprints {
  /** 192 bytes. */
  readonly secret: Uint8Array;
  /** Whether anything is known of the parent's pages. */
  readonly knowsParent: boolean;
  /** Puts those of the parent's pages first..first+count into `into`, zeros for what is not known. */
  ofParent(region: number, firstPage: number, count: number, into: Uint8Array): Promise<void>;
  /** Those of the pages as they are stored, of all regions in order and of all pages in order: what the next snapshot compares with. */
  note(region: number, firstPage: number, prints: Uint8Array): Promise<void>;
}

/**
 * A snapshot under construction. Calls are carried out in the order they were made; the next may be made before the last one resolved (what was given
 * must not change until it does). One that failed fails all later ones: abandon it then.
 */
export interface SnapshotWriter extends AsyncDisposable {
  /** What page ids are made with: empty, or 32 bytes in an encrypted store. */
  readonly idPrefix: Uint8Array;
  readonly counts: Readonly<WriterCounts>;
  /** Ids of the parent's pages first..first+count of this region, 16 bytes each, zeros where it has a hole or nothing. */
  parentIds(region: number, firstPage: number, count: number): Promise<Uint8Array>;
  /** For a source that is read whole. Undefined in a store that is signed and not encrypted: whoever can write to it could have changes passed over, and them signed. */
  fingerprints(): Promise<PageFingerprints | undefined>;
  /** Stores pages, or refers to where the parent or the store has them. A page may be written again: the last one counts. */
  write(batch: PageBatch): Promise<void>;
  /** Pages that are as in the parent; with `which`, a byte a page, those where it is 1. What was neither written nor kept is zeros. */
  keep(region: number, firstPage: number, count: number, which?: Uint8Array): Promise<void>;
  /** Pages that were written or kept and are zeros by now. */
  clear(region: number, firstPage: number, count: number): Promise<void>;
  /** ERR_BUSY: a prune took away what the snapshot refers to; begin again, with the parent as the store then gives it. */
  publish(final?: FinalState): Promise<SnapshotInfo>;
  /** Removes what was written. Does nothing after publish. */
  abandon(): Promise<void>;
}

export interface ManifestRegion {
  readonly name: string;
  readonly role: RegionRole;
  readonly byteLength: number;
  /** Where its pages stand in the page table. */
  readonly firstPage: number;
  /** How many pages are kept for it there: at least those of byteLength. */
  readonly pageCount: number;
  /** Hex SHA-256. */
  readonly root: string;
  readonly metadata?: Json;
}

export interface Manifest {
  readonly version: number;
  /** Hex id of the store: a manifest in another store is refused. */
  readonly store: string;
  readonly counter: number;
  readonly name: string;
  /** ms since 1970. */
  readonly time: number;
  readonly clean: boolean;
  readonly guest?: Json;
  readonly metadata?: Json;
  readonly regions: readonly ManifestRegion[];
  readonly parent?: { readonly counter: number; readonly root: string };
  /** Hex SHA-256 over all regions. */
  readonly root: string;
  /** Hex id of the page table. */
  readonly table: string;
  /** Pages that are not zeros. */
  readonly pages: number;
  /** Bytes that storing it added to the store. */
  readonly storedBytes: number;
}

/** A snapshot of a store, or what of it could be read. */
export interface SnapshotInfo {
  readonly counter: number;
  readonly manifest?: Manifest;
  /** Whether it has a signature that `verifyWith` approved. */
  readonly signed?: boolean;
  /** Why there is no manifest. */
  readonly error?: Error;
}

/** Where a worker finds a pack and how it reads its blocks. Can be posted to another thread. */
export interface PackSource {
  readonly id: string;
  readonly path: string;
  /** 32 bytes in an encrypted store. */
  readonly key?: Uint8Array;
}

/** u32 fields of a block in a `ReadPlan`. */
export const planBlock = {
  pack: 0,
  number: 1,
  offset: 2,
  storedBytes: 3,
  rawBytes: 4,
  fields: 5,
} as const;
/** u32 fields of a page in a `ReadPlan`: its number in the region, index of its block in the plan, where it begins in the block's raw bytes. */
export const planPage = { page: 0, block: 1, at: 2, fields: 3 } as const;

/** How to read some pages of a region without the store: for workers. Pages in none of the lists are zeros. */
export interface ReadPlan {
  readonly packs: readonly PackSource[];
  /** `planBlock` each; offset and storedBytes are those of the block with its header, see `readBlock`. */
  readonly blocks: Uint32Array;
  /** `planPage` each, in page order: pages that stand whole in a block. */
  readonly whole: Uint32Array;
  /** 16 bytes for each of `whole`. */
  readonly ids: Uint8Array;
  /** Page numbers that only `readPages` can read: those stored as deltas. */
  readonly built: Uint32Array;
}

export interface SnapshotReader extends AsyncDisposable {
  readonly manifest: Manifest;
  /** What page ids are made with. */
  readonly idPrefix: Uint8Array;
  /**
   * Reads pages first..first+count of a region into `into` (4096 bytes each, the last one filled up with zeros), each proven by its id. Returns which are
   * not holes, a byte each. ERR_STORE_CORRUPT names region, page and pack.
   */
  readPages(
    region: number,
    firstPage: number,
    count: number,
    into: Uint8Array,
  ): Promise<Uint8Array>;
  plan(region: number, firstPage: number, count: number): Promise<ReadPlan>;
  /** Ids of the pages, zeros for holes. */
  pageIds(region: number, firstPage: number, count: number): Promise<Uint8Array>;
  /** The next run of pages from `firstPage` on that are not holes: page and count; undefined: none. To restore sparse files. */
  nextRun(region: number, firstPage: number): Promise<{ page: number; count: number } | undefined>;
  /** Checks that the ids of all pages make up the root in the manifest. Done once by `read`. */
  prove(): Promise<void>;
  close(): Promise<void>;
}

export interface PruneOptions {
  /** Which snapshots stay, by counter. All others are removed. */
  readonly keep: (snapshots: readonly SnapshotInfo[]) => readonly number[];
  /** What is condemned is deleted so many ms later, by a later run. Default 1 h. */
  readonly graceMs?: number;
  /** Packs with a larger share of dead bytes are repacked. Default 0.02. */
  readonly deadShare?: number;
}

export interface PruneReport {
  readonly removedSnapshots: readonly number[];
  /** Files condemned now, deleted now, and referred to again. */
  readonly condemned: number;
  readonly deleted: number;
  readonly uncondemned: number;
  readonly repackedPages: number;
  readonly freedBytes: number;
  /** Bytes that a later run will free. */
  readonly condemnedBytes: number;
}

export interface VerifyOptions {
  /** Only these, by counter. Default: all. */
  readonly snapshots?: readonly number[];
  /** Called with pages proven so far and in all. */
  readonly onProgress?: (done: number, all: number) => void;
  readonly signal?: AbortSignal;
}

/** The first thing that is wrong with a snapshot. */
export interface Damage {
  readonly counter: number;
  readonly error: Error;
  /** The region and its first page that cannot be proven, and the file of the store where it should be. */
  readonly region?: string;
  readonly page?: number;
  readonly file?: string;
}

export interface VerifyReport {
  readonly good: readonly number[];
  readonly damaged: readonly Damage[];
  readonly pages: number;
}

/** A folder of snapshots that share their pages. */
export interface Store extends AsyncDisposable {
  /** Hex, 32 digits. */
  readonly id: string;
  readonly path: string;
  readonly encrypted: boolean;
  /** How it was opened to compress blocks. */
  readonly compression: Compression;
  /** By counter. Unreadable ones are listed with their error. */
  snapshots(): Promise<readonly SnapshotInfo[]>;
  /** The one with this counter, or else the newest of this name; of those there `at` that time, ms since 1970. ERR_OUT_OF_RANGE says what there is. */
  find(nameOrCounter: string, at?: number): Promise<SnapshotInfo>;
  read(snapshot: SnapshotInfo): Promise<SnapshotReader>;
  begin(options: BeginOptions): Promise<SnapshotWriter>;
  /** ERR_BUSY while another prune runs. */
  prune(options: PruneOptions): Promise<PruneReport>;
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  close(): Promise<void>;
}

/** A snapshot of a guest that ran before and after. */
export interface Checkpoint {
  readonly snapshot: SnapshotInfo;
  /** From just before `pause` until the guest was told to run on, milliseconds. */
  readonly pauseMs: number;
  /** Pages copied while it was paused, and in all. */
  readonly pausedPages: number;
  readonly pages: number;
  readonly stateBytes: number;
  readonly counts: Readonly<WriterCounts>;
}
