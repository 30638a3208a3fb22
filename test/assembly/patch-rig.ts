/** Both ends of the patch kernels in one arena, of either build: a region with a shadow, and the region it becomes elsewhere. */
import { CaptureWindow, WINDOW_PAGES } from '../../src/codec/capture-window.js';
import { FrameSlots, MAX_FRAME_PAGES } from '../../src/codec/frame-slots.js';
import { FrameWriter } from '../../src/codec/frame-writer.js';
import { PatchIndex } from '../../src/codec/patch-index.js';
import { PatchRing, RING_BYTES } from '../../src/codec/patch-ring.js';
import { RunRecords } from '../../src/codec/run-records.js';
import { Arena } from '../../src/core/arena.js';
import { AreaPool } from '../../src/memory/area-pool.js';
import { DestinationRegion } from '../../src/memory/destination-region.js';
import { placeHashKey } from '../../src/memory/page-hashes.js';
import { SourceRegion } from '../../src/memory/source-region.js';
import { Random } from '../reference/random.js';
import { type TestRegion, testRegion } from '../reference/regions.js';
import type { NaiveBody } from '../reference/run-table.js';

const maxBodyBytes = 600_000;

export class PatchRig {
  readonly arena: Arena;
  readonly index: PatchIndex;
  readonly source: SourceRegion;
  readonly destination: TestRegion;
  readonly hashes: DestinationRegion;
  readonly #sourceEnd: number;
  readonly #window: CaptureWindow;
  readonly #slots: FrameSlots;
  readonly #body: number;
  readonly #regions: number;
  readonly #runs: RunRecords;
  readonly #writer: FrameWriter;

  /** Nothing is known of what the destination holds. */
  constructor(shared: boolean, memory: Uint8Array) {
    const pages = Math.ceil(memory.length / 4096);
    this.arena = new Arena(64 << 20, { shared });
    const { arena } = this;
    const key = placeHashKey(arena, new Random(77).bytes(192));
    const pool = new AreaPool(arena);
    this.index = new PatchIndex(arena, Math.max(pages, 64));
    this.source = new SourceRegion(arena, pool, key, testRegion(memory), pages);
    this.source.grow(memory.length);
    this.source.baseKnown.clearAll();
    this.#window = new CaptureWindow(arena, key, { cache: 0, cachePages: 0 }, this.index.state);
    this.#slots = new FrameSlots(arena, 1, 512 << 10);
    this.#sourceEnd = arena.alloc(64);
    this.destination = testRegion(new Random(5).bytes(memory.length));
    this.hashes = new DestinationRegion(arena, pool, key, this.destination);
    this.#body = arena.alloc(maxBodyBytes);
    this.#regions = arena.alloc(8);
    arena.u32(this.#regions, 2).set([0, pages]);
    this.#runs = new RunRecords(arena);
    this.#writer = new FrameWriter(arena, this.#runs, key, new PatchRing(arena));
  }

  /** Everything in the arena that a destination has no business with. */
  sourceAreas(): Uint8Array {
    return this.arena.bytes(0, this.#sourceEnd);
  }

  /** Captures every dirty page, as frames of one window. */
  capture(): NaiveBody[] {
    const { source } = this;
    const bodies: NaiveBody[] = [];
    for (let first = 0; first < source.pageCount; first += WINDOW_PAGES) {
      for (;;) {
        this.#window.take(source, first, WINDOW_PAGES, source.pageCount);
        this.#window.load(source);
        const open = this.#slots.open(512 << 10, WINDOW_PAGES);
        this.#window.capture(source, open.state);
        const whole = this.#window.restore(source) === 0;
        const frame = open.seal();
        if (frame !== undefined) {
          bodies.push({ body: frame.bytes.slice(40), tableBytes: frame.tableBytes });
          frame.release();
        }
        if (whole) break;
      }
    }
    return bodies;
  }

  /** What the kernel says of a body: its runs, or a negative number. */
  check({ body, tableBytes }: NaiveBody): number {
    this.arena.bytes(this.#body, body.length).set(body);
    return this.arena.kernels.applyCheck(
      this.#body,
      tableBytes,
      body.length,
      this.#regions,
      1,
      this.#runs.address,
      MAX_FRAME_PAGES,
      RING_BYTES,
    );
  }

  /** Carries out what was checked last and found to have so many runs. */
  async carryOut(runs: number): Promise<void> {
    await this.#writer.write([this.hashes], runs);
  }
}
