import { Arena, maxArenaBytes } from '../core/arena.js';
import { checksum } from '../core/checksum.js';
import { FerryError } from '../errors.js';
import { AreaPool, areaClass } from '../memory/area-pool.js';
import { DestinationRegion } from '../memory/destination-region.js';
import { type HashKey, placeHashKey } from '../memory/page-hashes.js';
import { HELD_RANGE_PAGES, PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import { readPages } from '../memory/read-pages.js';
import type { Base, Region } from '../memory/region.js';
import type { Breathe } from './breathe.js';
import { MAX_FRAME_PAGES } from './frame-slots.js';
import { type Applied, FrameWriter } from './frame-writer.js';
import { PageScratch } from './page-scratch.js';
import { PatchRing, RING_BYTES } from './patch-ring.js';
import { type Mismatch, rereadPages } from './reread.js';
import { RunRecords } from './run-records.js';

export interface ApplyOptions {
  /** The session's 192 bytes, as the source has them. */
  readonly secret: Uint8Array;
  /** The source may send patches. Default false: they are refused. */
  readonly patches?: boolean;
  /** It may send bodies as LZ4 blocks. Default false: they are refused. */
  readonly lz4?: boolean;
  /** The source takes digests of what regions held before. Default false: nobody asks for them. */
  readonly held?: boolean;
  /** All regions may hold an older copy, and no byte is known to be zero, whatever they say. Default false. */
  readonly older?: boolean;
  /** Channels that frames may arrive on, each with a receive area of its own. Default 1. */
  readonly channels?: number;
  /** Asked every 1 MiB of memory that a frame changes; where it gives a promise, the frame goes on when that resolves. Default: never. */
  readonly breathe?: Breathe;
}

const receiveAreaBytes = 1_310_720;
/** Kernels may write this much behind what they decompress. */
const slack = 64;
const rereadPagesAtOnce: number = HELD_RANGE_PAGES;
const maxRegions = 65_536;
/** Set aside for regions that appear later. Untouched arena memory costs address space only. */
const reserveBytes = 64 << 20;
const rawAreaBytes: number = receiveAreaBytes + slack;
const fixedBytes: number =
  receiveAreaBytes +
  RunRecords.byteLength +
  maxRegions * 8 +
  PageScratch.byteLength(rereadPagesAtOnce) +
  FrameWriter.byteLength +
  PatchRing.byteLength +
  8 * PAGE_BYTES;

/** What each refusal of the kernel means: the negative number of `applyCheck` is the index. */
const refusals = [
  '',
  'malformed run table',
  'page or region out of range',
  'regions not in ascending order',
  'payload does not match the run table',
  'unknown page kind',
  'malformed delta or patch',
  'too many runs or pages',
];

/**
 * The destination's half of the codec: carries out frames in its regions and knows the hash of every page. Calls of `apply` must not
 * overlap; `reread` may be called at any time.
 */
export class ApplyEngine {
  /** Where each channel should put frames: bodies that stand here are not copied. 1.25 MiB each. */
  readonly receiveAreas: readonly Uint8Array[];
  readonly #arena: Arena;
  readonly #pool: AreaPool;
  readonly #key: HashKey;
  /** Bodies from elsewhere are copied here. */
  readonly #bodyArea: number;
  /** Compressed bodies become what they say here; undefined: there are none. */
  readonly #rawArea: number | undefined;
  readonly #regionRecords: number;
  readonly #runs: RunRecords;
  readonly #rereadScratch: PageScratch;
  readonly #writer: FrameWriter;
  readonly #ring: PatchRing | undefined;
  readonly #ringBytes: number;
  readonly #bases: Base[];
  /** Ascending by id, as the kernel wants them. */
  #targets: DestinationRegion[] = [];
  #isApplying = false;
  /** Counts whatever a re-read under way must not have seen half of. */
  #changes = 0;

  /** ERR_NO_CAPACITY if the bookkeeping (some 8.3 bytes for each page of the regions' maxima) does not fit an arena. */
  constructor(regions: readonly Region[], options: ApplyOptions) {
    const { channels = 1, lz4 = false } = options;
    const needed = ApplyEngine.neededBytes(regions, options) + reserveBytes;
    if (needed > maxArenaBytes) {
      throw new FerryError('ERR_NO_CAPACITY', `${regions.length} regions need ${needed} bytes`);
    }
    const arena = new Arena(needed);
    const key = placeHashKey(arena, options.secret);
    this.#arena = arena;
    this.#key = key;
    this.receiveAreas = Array.from({ length: channels }, () =>
      arena.bytes(arena.alloc(receiveAreaBytes), receiveAreaBytes),
    );
    this.#bodyArea = arena.alloc(receiveAreaBytes);
    this.#rawArea = lz4 ? arena.alloc(rawAreaBytes) : undefined;
    this.#regionRecords = arena.alloc(maxRegions * 8);
    this.#runs = new RunRecords(arena);
    this.#rereadScratch = new PageScratch(arena, rereadPagesAtOnce);
    const ring = options.patches === true ? new PatchRing(arena) : undefined;
    this.#ring = ring;
    this.#ringBytes = ring === undefined ? 0 : RING_BYTES;
    this.#writer = new FrameWriter(arena, this.#runs, key, ring, options.breathe);
    this.#pool = new AreaPool(arena);
    const { held = false, older = false } = options;
    this.#bases = regions.map((region) => {
      if (region.fresh === true && !older) return 'zero';
      const mayHold = held && (older || region.held === true) && region.byteLength > 0;
      return mayHold ? 'held' : 'unknown';
    });
    for (const region of regions) {
      const target = this.#add(region, older ? false : region.fresh);
      // No page hashes to 0: one that never comes, as its frame was damaged, is not taken for zeros.
      if (!target.wasFresh) target.hashes.set(0, 0n, target.pageCount);
    }
    this.#listRegions();
  }

  /** Bytes of memory that bookkeeping for `regions` takes at most: some 8.3 for each page of their maxima, and areas of fixed size. */
  static neededBytes(
    regions: readonly Region[],
    { channels = 1, lz4 = false }: Pick<ApplyOptions, 'channels' | 'lz4'>,
  ): number {
    const areaBytes = regions.reduce((sum, { maxByteLength }) => {
      return sum + areaClass(DestinationRegion.byteLength(pageCountOf(maxByteLength)));
    }, 0);
    return fixedBytes + (lz4 ? rawAreaBytes : 0) + channels * receiveAreaBytes + areaBytes;
  }

  #add(region: Region, isFresh = region.fresh): DestinationRegion {
    if (this.#targets.some(({ id }) => id === region.id)) {
      throw new RangeError(`two regions have the id ${region.id}`);
    }
    if (this.#targets.length === maxRegions) {
      throw new FerryError('ERR_NO_CAPACITY', `more than ${maxRegions} regions`);
    }
    const target = new DestinationRegion(this.#arena, this.#pool, this.#key, region, isFresh);
    this.#targets.push(target);
    this.#targets.sort((a, b) => a.id - b.id);
    return target;
  }

  /** Tells the kernel which regions there are and how many pages they have. */
  #listRegions(): void {
    this.#changes++;
    const records = this.#arena.u32(this.#regionRecords, this.#targets.length * 2);
    this.#targets.forEach(({ id, pageCount }, index) => {
      records[2 * index] = id;
      records[2 * index + 1] = pageCount;
    });
  }

  #target(regionId: number): DestinationRegion {
    const target = this.#targets.find(({ id }) => id === regionId);
    if (target === undefined) throw new RangeError(`no region ${regionId}`);
    return target;
  }

  /** Whether there is such a region. */
  has(regionId: number): boolean {
    return this.#targets.some(({ id }) => id === regionId);
  }

  /** What each region given to the constructor, in that order, held then: zeros, if it said it is fresh; see `Region.held`. */
  bases(): Base[] {
    return [...this.#bases];
  }

  /**
   * Carries out the body of a PAGES frame, whose first `tableBytes` are its run table; where it is shorter than `rawBytes`, it is an LZ4 block
   * that becomes this. It is checked whole before anything is written: ERR_FRAME_CORRUPT, ERR_OUT_OF_RANGE, ERR_FRAME_TOO_LARGE and
   * ERR_UNSUPPORTED leave all regions as they were.
   */
  async apply(
    body: Uint8Array,
    tableBytes: number,
    rawBytes: number = body.byteLength,
  ): Promise<Applied> {
    const placed = this.#place(body);
    const raw = rawBytes > body.byteLength ? this.#decompress(placed, body, rawBytes) : placed;
    const runCount = this.#check(raw, tableBytes, rawBytes);
    this.#isApplying = true;
    try {
      return await this.#writer.write(this.#targets, runCount);
    } finally {
      this.#isApplying = false;
      this.#changes++;
    }
  }

  /**
   * Reads `count` pages from `first` on, at most `HELD_RANGE_PAGES`, as they are here, whoever wrote them: their hashes are what they say from now on. Gives them,
   * the last one zero-padded; valid until the next call of anything. ERR_OUT_OF_RANGE for pages that do not exist.
   */
  async readHeld(regionId: number, first: number, count: number): Promise<Uint8Array> {
    const target = this.#targets.find(({ id }) => id === regionId);
    if (target === undefined || first + count > target.pageCount || count > HELD_RANGE_PAGES) {
      const what = `pages ${first} to ${first + count} of region ${regionId}, which are not here`;
      throw new FerryError('ERR_OUT_OF_RANGE', what);
    }
    const { region, byteLength, hashes } = target;
    const { bytes, address } = this.#rereadScratch;
    const reading = readPages({ region, byteLength, first, count }, bytes, 'ERR_GUEST');
    if (reading !== undefined) await reading;
    this.#arena.kernels.hashPages(address, count, hashes.address + first * 8, this.#key.secret);
    hashes.touch(first, count);
    return this.#rereadScratch.view(0, count);
  }

  /** Another connection begins: patches copy from nothing that older ones replaced. */
  clearRing(): void {
    this.#ring?.empty();
  }

  /** XXH3-64 of `bytes`, where they stand if that is in this engine's memory: for the checksums of frames. */
  checksum(bytes: Uint8Array): bigint {
    return checksum(bytes, this.#arena);
  }

  /** Address of the body in the arena. */
  #place(body: Uint8Array): number {
    if (body.buffer === this.#arena.memory.buffer) return body.byteOffset;
    if (body.byteLength > receiveAreaBytes) {
      throw new FerryError('ERR_FRAME_TOO_LARGE', `frame body of ${body.byteLength} bytes`);
    }
    this.#arena.bytes(this.#bodyArea, body.byteLength).set(body);
    return this.#bodyArea;
  }

  /** Address of what the block at `block` becomes. */
  #decompress(block: number, { byteLength }: Uint8Array, rawBytes: number): number {
    const to = this.#rawArea;
    if (to === undefined) {
      throw new FerryError('ERR_UNSUPPORTED', 'a compressed frame, which was not agreed on');
    }
    if (rawBytes > receiveAreaBytes) {
      throw new FerryError('ERR_FRAME_TOO_LARGE', `frame body of ${rawBytes} bytes`);
    }
    if (this.#arena.kernels.lz4Decompress(block, byteLength, to, rawBytes) === 0) {
      throw new FerryError('ERR_FRAME_CORRUPT', 'frame refused: malformed LZ4 block');
    }
    return to;
  }

  #check(body: number, tableBytes: number, bodyBytes: number): number {
    if (!Number.isInteger(tableBytes) || tableBytes < 0 || tableBytes > bodyBytes) {
      throw new FerryError('ERR_FRAME_CORRUPT', `run table of ${tableBytes} bytes`);
    }
    const runCount = this.#arena.kernels.applyCheck(
      body,
      tableBytes,
      bodyBytes,
      this.#regionRecords,
      this.#targets.length,
      this.#runs.address,
      MAX_FRAME_PAGES,
      this.#ringBytes,
    );
    if (runCount >= 0) return runCount;
    const code = runCount === -2 ? 'ERR_OUT_OF_RANGE' : 'ERR_FRAME_CORRUPT';
    throw new FerryError(code, `frame refused: ${refusals[-runCount]}`);
  }

  /**
   * The region grew, appeared, or is another object now. What appears is taken over as it is: zero where it is fresh, else its pages are
   * read back in time. ERR_OUT_OF_RANGE beyond the maximum it had at first, or if it is shorter than before.
   */
  changeRegion(region: Region): void {
    const target = this.#targets.find(({ id }) => id === region.id);
    if (target === undefined) {
      const added = this.#add(region);
      if (!added.wasFresh) added.unread.add(0, added.pageCount);
    } else {
      const { byteLength } = region;
      if (byteLength < target.byteLength || pageCountOf(byteLength) > target.capacityPages) {
        throw new FerryError(
          'ERR_OUT_OF_RANGE',
          `region ${region.id} of ${target.byteLength} bytes cannot become ${byteLength}`,
        );
      }
      target.region = region;
      target.grow(byteLength);
    }
    this.#listRegions();
  }

  /** The region vanished. RangeError if there is none. */
  removeRegion(regionId: number): void {
    const target = this.#target(regionId);
    this.#targets = this.#targets.filter((other) => other !== target);
    target.free();
    this.#listRegions();
  }

  /**
   * Reads up to about `maxPages` pages back that were written and not read since, and reports those that do not hold what was written.
   * Does nothing while a frame is being applied.
   */
  async reread(maxPages: number): Promise<Mismatch[]> {
    const mismatches: Mismatch[] = [];
    const changes = this.#changes;
    const isStale = () => this.#isApplying || this.#changes !== changes;
    let left = maxPages;
    for (const target of [...this.#targets]) {
      let run = target.unread.nextRun(0, target.pageCount, rereadPagesAtOnce);
      while (run !== undefined && left > 0 && !isStale()) {
        const count = Math.min(run.count, left);
        const found = await rereadPages(
          target,
          run.first,
          count,
          this.#rereadScratch,
          this.#key,
          isStale,
        );
        if (found === undefined) return mismatches;
        mismatches.push(...found);
        left -= count;
        run = target.unread.nextRun(run.first + count, target.pageCount, rereadPagesAtOnce);
      }
    }
    return mismatches;
  }

  /** Pages written that were never read back. */
  get rereadPagesLeft(): number {
    return this.#targets.reduce((sum, { unread }) => sum + unread.size, 0);
  }

  /** Bytes of memory that was just made and not written yet: the system finds room for them when they are. */
  get untouchedBytes(): number {
    const fresh = this.#targets.filter(
      ({ wasFresh, region }) => wasFresh && region.memory !== undefined,
    );
    return fresh.reduce(
      (sum, { pageCount, written }) => sum + (pageCount - written.count(pageCount)) * PAGE_BYTES,
      0,
    );
  }

  /** Hash over each region as it was applied, ascending by id. */
  roots(): { id: number; byteLength: number; root: bigint }[] {
    return this.#targets.map(({ id, byteLength, hashes }) => {
      return { id, byteLength, root: hashes.root(byteLength) };
    });
  }

  /** Hashes of the region's leaves of 512 pages. */
  leaves(regionId: number): BigUint64Array {
    return this.#target(regionId).hashes.leaves();
  }

  /** Page hashes under one leaf. */
  pageHashes(regionId: number, leaf: number): BigUint64Array {
    return this.#target(regionId).hashes.ofLeaf(leaf);
  }
}
