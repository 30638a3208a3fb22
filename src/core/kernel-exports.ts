/**
 * What the compiled kernels export. All addresses are byte offsets into the kernel's memory, all lengths bytes unless said; the host
 * guarantees that areas lie inside the memory and do not overlap. Kernels never throw, allocate or keep state between calls beyond what
 * is named here. u32 results come back as i32: use `>>> 0`. u64 results are BigInt; hot paths read them from memory instead.
 */
export interface KernelExports {
  // bitmap: u64 words, bit i of word w is element 64 w + i; areas 8-aligned
  /** Sets bit `index` (atomically in the shared build); returns 1 if it was set before. */
  bitmapSet(bitmap: number, index: number): number;
  bitmapTest(bitmap: number, index: number): number;
  /** Sets `count` bits from `first` on (word-wise atomic in the shared build). */
  bitmapSetRange(bitmap: number, first: number, count: number): void;
  bitmapClearRange(bitmap: number, first: number, count: number): void;
  /** Number of set bits among the first `bits`. */
  bitmapCount(bitmap: number, bits: number): number;
  /** First set bit at or after `from`, or `bits`. */
  bitmapNextSet(bitmap: number, bits: number, from: number): number;
  /** First clear bit at or after `from`, or `bits`. */
  bitmapNextClear(bitmap: number, bits: number, from: number): number;
  /** into |= from; from = 0, each word fetched and cleared in one step (atomic exchange in the shared build). Returns bits moved. */
  bitmapFetchClear(from: number, into: number, words: number): number;

  /** 1 if all `bytes` (a multiple of 128) at `address` are zero. */
  isZero(address: number, bytes: number): number;
  /** Compares `pages` pages at `a` and `b`; sets bit i of `bitmap` for each page that differs; returns how many differ. */
  scanPages(a: number, b: number, pages: number, bitmap: number): number;

  /** XXH64 of any length. */
  xxh64(address: number, bytes: number, seed: bigint): bigint;
  /** XXH3-64 of any length with a 192-byte secret at `secret` (XXH3_64bits_withSecret; with the default secret it is XXH3_64bits). */
  xxh3(address: number, bytes: number, secret: number): bigint;
  /** XXH3-64 of each of `pages` pages, stored as u64 at `out`. */
  hashPages(address: number, pages: number, out: number, secret: number): void;

  /**
   * XBZRLE, QEMU's bytes (docs/protocol.md section 4). `bytes`: equal lengths, a multiple of 64 up to 4096. n, 0 = equal, -1 = does not
   * fit `capacity`. The 16 bytes behind the capacity may be overwritten, and those behind `next` are read.
   */
  xbzrleEncode(
    previous: number,
    next: number,
    bytes: number,
    out: number,
    capacity: number,
  ): number;
  /**
   * Writes the literals into `page`, or nowhere if that is 0. Gives the end of the last literal, or -1 if the delta is malformed for a
   * page of `bytes`: part of it may be written by then. Empty input is valid and gives 0. The 2 bytes behind the delta may be read.
   */
  xbzrleDecode(delta: number, deltaBytes: number, page: number, bytes: number): number;

  /**
   * Compresses `bytes` bytes (below 16 MiB) at `source` to one LZ4 block of at most `limit` bytes at `target`. Returns its length, 0 if it does
   * not fit. `table`: 16 KiB of scratch. Up to 16 bytes behind `source` may be read, and behind the limit overwritten.
   */
  lz4Compress(source: number, bytes: number, target: number, limit: number, table: number): number;
  /**
   * Decompresses the LZ4 block of `bytes` bytes (below 16 MiB) at `source` to exactly `rawBytes` bytes at `target`. Returns 1; 0 if it is malformed
   * or becomes more or less: what is at `target` then means nothing. Up to 32 bytes behind the block may be read, and behind `rawBytes`
   * overwritten.
   */
  lz4Decompress(source: number, bytes: number, target: number, rawBytes: number): number;

  /** Adds `pages` pages from `address` (4096-aligned) on to the index of the patch state at `state`, see `patchState`. */
  patchIndex(state: number, address: number, pages: number): void;

  /** See `captureJob`. Returns pages of the window consumed; fewer than its pageCount means the frame is full: seal it and call again. */
  capture(job: number): number;
  /** Closes the open run and moves the table in front of the payload. Returns the address of the table (= body). 0 if the frame holds nothing. */
  captureSeal(frame: number): number;

  /**
   * Checks a PAGES body whole (table grammar, order, overlap, ranges, every payload length, every delta and patch) and lists its runs at
   * `runs` (see `applyRun`). `regions`: regionCount records {u32 id, u32 pageCount}, ids ascending. `ringBytes`: those of the ring that
   * patches may copy from; 0: patch is an unknown kind. Writes nothing else. Returns the number of runs, or a negative number: -1 malformed
   * table, -2 page or region out of range, -3 regions not ascending, -4 payload does not match the table, -5 unknown kind, -6 malformed
   * delta or patch, -7 more than `maxRuns` runs or 32,768 pages.
   */
  applyCheck(
    body: number,
    tableBytes: number,
    bodyBytes: number,
    regions: number,
    regionCount: number,
    runs: number,
    maxRuns: number,
    ringBytes: number,
  ): number;
  /**
   * Carries out `runCount` checked runs and stores each page's XXH3-64 at the run's `hashes`: fill runs are built at `target`, delta
   * runs change the old pages that stand there, raw runs are only hashed where they are in the payload. Zero runs are left alone, and no
   * run is a patch run. `state`: a `patchState` whose ring gets what deltas of more than 128 bytes change, or 0.
   */
  apply(runs: number, runCount: number, secret: number, state: number): void;
  /**
   * Builds the pages of one checked patch run at the run's `target`, where its old pages stand, and stores their hashes. Returns 0 when all
   * are built, or how many pieces of the region, listed in the job (see `patchJob`), must be put in place before the next call.
   */
  patchBuild(run: number, job: number, secret: number): number;
}

/** Page kinds as numbered in run tables. copy is reserved: this version's peers refuse it. */
export const pageKind = { zero: 0, fill: 1, delta: 2, copy: 3, patch: 4, raw: 5 } as const;

/**
 * The capture job, u32 fields (the first a u64) at these byte offsets. The window is `pageCount` pages of one region from page
 * `firstPage` on, a multiple of 64; every per-page address is that of the window's first page.
 */
export const captureJob = {
  /** u64: XXH3-64 of a zero page under `secret`, put there by the host. */
  zeroHash: 0,
  /** Where the window's pages are: memory that nobody else writes meanwhile. */
  pages: 8,
  firstPage: 12,
  pageCount: 16,
  /** Bitmap of pages to look at; the bit of each consumed page is cleared. */
  dirty: 20,
  /** Bitmap of pages whose base (shadow, hash) the destination holds. Without it a page goes as zero, fill or raw and is never skipped. Set for each page sent. */
  baseKnown: 24,
  /**
   * Shadow pages, or 0. Invariant: a shadow page whose bit in `shadowed` is set hashes to the page's entry in `hashes`, or that entry is `zeroHash` and
   * the shadow is not looked at. One whose bit is not set was never written.
   */
  shadow: 28,
  /** u64 XXH3-64 per page. Initially `zeroHash`. */
  hashes: 32,
  secret: 36,
  /** A page of zeros: the base of every page whose hash is `zeroHash`. */
  zeroPage: 40,
  /** Base cache used where `shadow` is 0, or 0: {u32 slots (a power of two), u32 0, u64 tags[slots]}, and its pages[slots] at `cachePages`. */
  cache: 44,
  cachePages: 48,
  /** Id of the region; a cache tag is region * 2^32 + page + 1. */
  region: 52,
  /** The frame under construction, see `frameState`. */
  frame: 56,
  /** The state of the patch kernels, see `patchState`; 0: no patches. The five fields below and `regionShadowed` are looked at only with it and a shadow. */
  patch: 60,
  /** Bitmap of pages that are to be indexed later, by `patchIndex`. */
  unindexed: 64,
  /** The whole region's: address of its shadow, how many of its pages have one, its baseKnown bits and its hashes, from page 0 on. */
  regionShadow: 68,
  regionShadowPages: 72,
  regionBaseKnown: 76,
  regionHashes: 80,
  /** With a shadow: bitmap of the pages that have one, of the window and of the whole region; and what else gets one, see `keepShadow`. */
  shadowed: 84,
  regionShadowed: 88,
  keeping: 92,
  byteLength: 96,
} as const;

/**
 * Which captured pages get a shadow that have none: none; those of which the destination already held something else than zeros; all. Writing one
 * for the first time costs a page of memory, and the time the system takes to provide it.
 */
export const keepShadow = { none: 0, again: 1, all: 2 } as const;

/** What the patch kernels keep between calls, u32 fields. A destination has the ring only. */
export const patchState = {
  /** The index: u32 table[slots], 0 where empty: a block number (address / 16, below 2^blockBits) and bits of a hash above. */
  table: 0,
  slots: 4,
  blockBits: 8,
  /** 128 times 16 bytes for what is looked up together. */
  looks: 12,
  /** The ring: pages[ringPages], a power of two, of which push number n is page n modulo ringPages; and how often was pushed. */
  ring: 20,
  ringPages: 24,
  pushes: 28,
  /** Of the newest pushes, how many the other end is sure to have. */
  filled: 32,
  /** u32 for each page of the memory, by its address: 1 + the number of the push that has what it held before; 0: none. */
  pushOf: 36,
  /** A page and 64 bytes to encode in. */
  scratch: 40,
  /** What a try costs, in bytes that the link could have carried meanwhile; 0: patches are not tried. */
  trying: 44,
  /** Bytes that tries saved, less what tries cost; and how many pages are left alone before the next try. */
  credit: 48,
  rest: 52,
  byteLength: 64,
} as const;

/** The building of a patch run, u32 fields; `done` and `isOpen` are 0 before the first call. */
export const patchJob = {
  /** A `patchState` with a ring. */
  state: 0,
  /** A page and 64 bytes to build in. */
  page: 4,
  /** Records of `patchPiece`, room for 1024. */
  pieces: 8,
  /** Pages built; whether the next one waits for its pieces. */
  done: 12,
  isOpen: 16,
  byteLength: 24,
} as const;

/** Bytes of the region that a patch copies: to address `target`, `bytes` of them, from the u64 `source` (low, high half) in the region. */
export const patchPiece = {
  target: 0,
  bytes: 4,
  sourceLow: 8,
  sourceHigh: 12,
  byteLength: 16,
} as const;

/** The frame under construction, u32 fields. The host sets the first seven (`payloadEnd` and `tableEnd` to their starts) and zeroes the rest. */
export const frameState = {
  /** Payload goes to payloadStart..payloadLimit; the table is built at tableStart..tableLimit and moved to end at payloadStart by seal. */
  payloadStart: 0,
  payloadLimit: 4,
  tableStart: 8,
  tableLimit: 12,
  maxPages: 16,
  payloadEnd: 20,
  tableEnd: 24,
  runs: 28,
  pages: 32,
  /** The open run (count 0: none); then the region and the end page of the last closed run. */
  openCount: 36,
  openKind: 40,
  openRegion: 44,
  openFirst: 48,
  lastRegion: 52,
  lastEnd: 56,
  /** Counts per page kind (6 u32), then payload bytes per kind (6 u32), then pages skipped because equal. */
  pagesByKind: 60,
  bytesByKind: 84,
  skipped: 108,
  byteLength: 112,
} as const;

/** A checked run, u32 fields; `target` and `hashes` are filled in by the host. */
export const applyRun = {
  /** Index into the `regions` given to applyCheck. */
  region: 0,
  firstPage: 4,
  count: 8,
  kind: 12,
  /** Address of the run's first payload byte. `apply` moves it behind what it consumed: a run may be carried out in parts. */
  payload: 16,
  /** Address of the run's pages in kernel memory; fill and delta runs only. */
  target: 20,
  hashes: 24,
  byteLength: 28,
} as const;
