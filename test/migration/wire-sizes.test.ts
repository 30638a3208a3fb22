import { describe, expect, it } from 'vitest';
import { CaptureEngine } from '../../src/codec/capture.js';
import { memoryRegion } from '../../src/guests/memory-region.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { WireSizes } from '../../src/migration/wire-sizes.js';
import { Random } from '../reference/random.js';

const pageBytes = 4096;

/** Memory of random pages, its engine behind the first pass, and what later frames cost. */
class World {
  readonly random = new Random(5);
  readonly bytes = this.random.bytes(64 * pageBytes);
  readonly sizes = new WireSizes();
  readonly #region = memoryRegion({ name: 'memory', bytes: () => this.bytes });
  readonly #marks = new MarksTracker([this.#region]);
  readonly engine = new CaptureEngine([this.#region], this.#marks, {
    secret: this.random.bytes(192),
    shadowBytes: 1 << 20,
    baseCacheBytes: 0,
  });

  constructor() {
    this.engine.setBase(0, 'unknown');
  }

  /** One word of the page changes, or all of it. */
  write(page: number, what: 'a word' | 'everything'): void {
    const bytes = this.random.bytes(what === 'a word' ? 8 : pageBytes);
    this.bytes.set(bytes, page * pageBytes);
    this.#marks.mark(0, page * pageBytes, bytes.length);
  }

  /** Sends what is dirty; returns its bytes. */
  async round(isFirst = false): Promise<number> {
    this.engine.takeDirty();
    let bytes = 0;
    for (let exhausted = false; !exhausted; ) {
      const step = await this.engine.capture({ maxPayloadBytes: 1 << 18, maxPages: 64 });
      exhausted = step.exhausted;
      if (step.frame === undefined) continue;
      bytes += step.frame.bytes.byteLength;
      if (!isFirst) this.sizes.note(step.frame);
      step.frame.release();
    }
    this.sizes.fade();
    return bytes;
  }

  expected(): { readonly pages: number; readonly bytes: number } {
    this.engine.takeDirty();
    return this.sizes.ofRuns(this.engine.dirtyRuns());
  }
}

describe('what pages are expected to be on the wire', () => {
  it('is raw while nothing was sent again', async () => {
    const world = new World();
    await world.round(true);
    world.write(3, 'a word');
    expect(world.expected()).toEqual({ pages: 1, bytes: 4104 });
    expect(world.sizes.ofCount(10)).toEqual({ pages: 10, bytes: 41_040 });
  });

  it('is for each page what it was last, whichever others are dirty', async () => {
    const world = new World();
    await world.round(true);
    for (let page = 0; page < 32; page++)
      world.write(page, page % 2 === 0 ? 'a word' : 'everything');
    await world.round();
    for (let page = 0; page < 32; page += 2) world.write(page, 'a word');
    const words = world.expected();
    expect(words.pages).toBe(16);
    expect(words.bytes).toBeLessThan(16 * 100);
    await world.round();
    for (let page = 1; page < 32; page += 2) world.write(page, 'everything');
    expect(world.expected().bytes).toBeGreaterThan(16 * 4096);
    expect(world.expected().bytes).toBeLessThan(16 * 4200);
  });

  it('is for a page that was never sent again what others were the first time', async () => {
    const world = new World();
    await world.round(true);
    for (let page = 0; page < 16; page++) world.write(page, 'a word');
    await world.round();
    for (let page = 32; page < 48; page++) world.write(page, 'a word');
    const { bytes } = world.expected();
    const actual = await world.round();
    expect(Math.abs(bytes - actual)).toBeLessThan(0.3 * actual);
  });

  it('counts a page that is zero by its share of the frame', async () => {
    const world = new World();
    await world.round(true);
    world.bytes.fill(0);
    world.write(0, 'a word');
    world.engine.markAll();
    const actual = await world.round();
    world.engine.markAll();
    const { pages, bytes } = world.expected();
    expect(pages).toBe(64);
    // 2 bytes a page is as fine as sizes are kept.
    expect(bytes).toBeLessThan(actual + 64);
  });

  it('forgets slowly what all pages were', async () => {
    const world = new World();
    await world.round(true);
    for (let page = 0; page < 32; page++) world.write(page, 'everything');
    await world.round();
    const before = world.sizes.ofCount(1).bytes;
    for (let round = 0; round < 6; round++) {
      for (let page = 0; page < 32; page++) world.write(page, 'a word');
      await world.round();
    }
    expect(world.sizes.ofCount(1).bytes).toBeLessThan(before / 10);
  });
});
