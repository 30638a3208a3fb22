import { describe, expect, test } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import { CaptureEngine } from '../../src/codec/capture.js';
import type { CaptureOptions } from '../../src/codec/capture-options.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { CompareTracker, HashTracker } from '../../src/memory/scan-trackers.js';
import { move } from '../reference/moves.js';
import { NaiveRing } from '../reference/patch.js';
import { Random } from '../reference/random.js';
import { type TestRegion, testRegion } from '../reference/regions.js';
import { type NaiveBody, naiveApply, naiveBody, varint } from '../reference/run-table.js';
import { captureAll, copyFrame, MIB, newCapture, type PlainFrame, secret, sent } from './ends.js';

const budget = { maxPayloadBytes: 64 << 10, maxPages: 1000 };

/** A destination, and beside it the naive twin, which must always have the same. */
class Destination {
  readonly regions: readonly TestRegion[];
  readonly engine: ApplyEngine;
  readonly #twins: Map<number, Uint8Array>;
  readonly #ring: NaiveRing = new NaiveRing();

  constructor(regions: readonly TestRegion[]) {
    this.regions = regions;
    this.engine = new ApplyEngine(regions, { secret, patches: true });
    this.#twins = new Map(regions.map(({ id, bytes }) => [id, bytes.slice()]));
  }

  async apply(frames: readonly NaiveBody[]): Promise<void> {
    for (const frame of frames) {
      naiveApply(this.#twins, frame, 'zeros', this.#ring);
      await this.engine.apply(Uint8Array.from(frame.body), frame.tableBytes);
    }
    for (const { id, bytes } of this.regions) {
      expect(Buffer.compare(bytes, this.#twins.get(id) ?? new Uint8Array())).toBe(0);
    }
  }

  grow(id: number, byteLength: number): void {
    const twin = new Uint8Array(byteLength);
    twin.set(this.#twins.get(id) ?? []);
    this.#twins.set(id, twin);
    const region = this.regions.find((candidate) => candidate.id === id);
    region?.grow(byteLength);
    if (region !== undefined) this.engine.changeRegion(region);
  }
}

function patchesIn(frames: readonly PlainFrame[]): number {
  return sent(frames).filter((page) => page.endsWith('patch')).length;
}

/** One region with marks at the source, its fresh destination, and everything sent once and indexed. */
async function pair(bytes: Uint8Array, options: Partial<CaptureOptions> = {}) {
  const region = testRegion(bytes);
  const marks = new MarksTracker([region]);
  const capture = newCapture([region], marks, { patches: true, ...options });
  capture.setBase(0, 'zero');
  const destination = new Destination([testRegion(new Uint8Array(bytes.length), { fresh: true })]);
  let indexed = 0;
  let sentBytes = 0;
  const flush = async (pages: readonly number[] = []) => {
    for (const page of pages) marks.mark(0, page * 4096, 1);
    capture.takeDirty();
    const frames = await captureAll(capture);
    sentBytes = frames.reduce((sum, { body }) => sum + body.length, 0);
    await destination.apply(frames);
    indexed = capture.indexPages(10_000);
    if (capture.renewIndex()) indexed += capture.indexPages(10_000);
    expect(Buffer.compare(destination.regions[0]?.bytes ?? new Uint8Array(), region.bytes)).toBe(0);
    return sent(frames);
  };
  await flush();
  return {
    region,
    capture,
    destination,
    flush,
    indexed: () => indexed,
    sentBytes: () => sentBytes,
  };
}

test('say pages that are there twice as copies, in the first pass too', async () => {
  const half = new Random(12).bytes(100 * 4096);
  const region = testRegion(Uint8Array.from([...half, ...half]));
  const capture = newCapture([region], new HashTracker(), { patches: true });
  capture.setBase(0, 'zero');
  const frames: PlainFrame[] = [];
  for (let isExhausted = false; !isExhausted; ) {
    const { frame, exhausted } = await capture.capture({ maxPayloadBytes: MIB, maxPages: 64 });
    if (frame !== undefined) frames.push(copyFrame(frame));
    frame?.release();
    capture.indexPages(64);
    isExhausted = exhausted;
  }
  expect(patchesIn(frames)).toBeGreaterThan(90);
  const bytes = frames.reduce((sum, { body }) => sum + body.length, 0);
  expect(bytes).toBeLessThan(110 * 4096);
  const target = new Destination([testRegion(new Uint8Array(200 * 4096), { fresh: true })]);
  await target.apply(frames);
  expect(Buffer.compare(target.regions[0]?.bytes ?? new Uint8Array(), region.bytes)).toBe(0);
});

const shadowsByChance = 'shadows kept by chance';
const modes: [string, Partial<CaptureOptions>][] = [
  ['a full shadow', { shadowBytes: 16 * MIB }],
  ['half a shadow', { shadowBytes: 2 * MIB }],
  ['half a shadow and a cache', { shadowBytes: 2 * MIB, baseCacheBytes: 64 * 4104 }],
  [shadowsByChance, { shadowBytes: 16 * MIB }],
];
const cases = modes.flatMap(([mode, options]) =>
  (['memory', 'file', 'calls'] as const).flatMap((as) =>
    (['marks', 'hash', 'compare'] as const).map((tracker) => ({ mode, options, as, tracker })),
  ),
);

describe.each(cases)('$as regions, $tracker, $mode', ({ mode, options, as, tracker }) => {
  test.each(['zero', 'unknown'] as const)(
    'rounds in which content moves end with equal memories (base: %s)',
    async (base) => {
      const random = new Random(9);
      const sizes = [
        { id: 4, byteLength: 700 * 4096 - 7 },
        { id: 6, byteLength: 150 * 4096 + 900 },
      ];
      const source = sizes.map(({ id, byteLength }) =>
        testRegion(random.bytes(byteLength), { id, as, maxByteLength: byteLength + MIB }),
      );
      const there = sizes.map(({ id, byteLength }) =>
        testRegion(base === 'zero' ? new Uint8Array(byteLength) : random.bytes(byteLength), {
          id,
          as,
          maxByteLength: byteLength + MIB,
          fresh: base === 'zero',
        }),
      );
      const marks = tracker === 'marks' ? new MarksTracker(source) : undefined;
      const scan = tracker === 'hash' ? new HashTracker() : new CompareTracker();
      const capture = newCapture(source, marks ?? scan, { patches: true, ...options });
      for (const { id } of sizes) capture.setBase(id, base);
      const destination = new Destination(there);
      let patches = 0;
      for (let round = 0; round < 6; round++) {
        if (mode === shadowsByChance) {
          capture.keepShadows((['all', 'again', 'none'] as const)[random.below(3)] ?? 'all');
        }
        capture.takeDirty();
        const frames = await captureAll(capture, budget);
        await destination.apply(frames);
        patches += patchesIn(frames);
        source.forEach(({ bytes }, index) => {
          expect(Buffer.compare(bytes, there[index]?.bytes ?? new Uint8Array())).toBe(0);
        });
        expect(destination.engine.roots()).toEqual(capture.roots());
        expect(await destination.engine.reread(100)).toEqual([]);
        while (capture.indexPages(100) > 0 && random.below(10) > 0);
        for (const region of source) {
          if (round === 2) {
            const byteLength = region.byteLength + random.below(50_000);
            region.grow(byteLength);
            destination.grow(region.id, byteLength);
          }
          for (let moves = 0; moves < 30; moves++) {
            const { from, to } = move(random, region.bytes);
            marks?.mark(region.id, from, to - from);
          }
        }
        capture.syncRegions(source);
      }
      expect(patches).toBeGreaterThan(mode === shadowsByChance ? 0 : 20);
    },
  );
});

describe('a patch', () => {
  test('says a page by what moved there from another', async () => {
    const random = new Random(1);
    const { region, flush } = await pair(random.bytes(20 * 4096));
    region.bytes.copyWithin(5 * 4096, 9 * 4096 + 100, 10 * 4096 + 100);
    expect(await flush([5])).toEqual(['0:5 patch']);
  });

  test.each([1, 8])('says it by short pieces from everywhere, at multiples of %i', async (step) => {
    const random = new Random(1);
    const letters = random.bytes(20 * 4096).map((byte) => 97 + (byte % 26));
    const { region, flush, sentBytes } = await pair(letters);
    const old = region.bytes.slice();
    for (let at = 5 * 4096; at < 6 * 4096; at += 64) {
      const from = step * random.below((old.length - 56) / step);
      region.bytes.set(old.subarray(from, from + 56), at);
    }
    expect(await flush([5])).toEqual(['0:5 patch']);
    // 56 of 64 bytes, of which one in a few is not found: 8 literals, and 6 bytes to say where the others come from.
    expect(sentBytes()).toBeLessThan(1500);
  });

  test('says it by what that other page held before, too', async () => {
    const random = new Random(1);
    const { region, flush } = await pair(random.bytes(20 * 4096));
    const old = region.bytes.slice(9 * 4096 + 3, 10 * 4096 - 5);
    region.bytes.copyWithin(9 * 4096, 0, 4096);
    expect(await flush([9])).toEqual(['0:9 patch']);
    region.bytes.set(old, 15 * 4096 + 1);
    expect(await flush([15])).toEqual(['0:15 patch']);
  });

  test('comes where a page never written gets what was somewhere before', async () => {
    const random = new Random(1);
    const bytes = new Uint8Array(20 * 4096);
    bytes.set(random.bytes(4 * 4096));
    const { region, flush } = await pair(bytes);
    region.bytes.copyWithin(10 * 4096, 333, 3 * 4096);
    expect(await flush([10, 11, 12])).toEqual(['0:10 patch', '0:11 patch', '0:12 patch']);
  });

  test.each([true, false])(
    'copies nothing from what a page held before it was zero (tried meanwhile: %s)',
    async (trying) => {
      const random = new Random(1);
      const { region, capture, flush } = await pair(random.bytes(20 * 4096));
      const old = region.bytes.slice(9 * 4096, 10 * 4096);
      region.bytes.fill(0, 9 * 4096, 10 * 4096);
      expect(await flush([9])).toEqual(['0:9 zero']);
      capture.tryPatches(trying ? 64 : 0);
      region.bytes.set(random.bytes(1000), 9 * 4096 + 2000);
      expect(await flush([9])).toEqual(['0:9 delta']);
      capture.tryPatches(64);
      region.bytes.set(old, 15 * 4096);
      expect(await flush([15])).toEqual(['0:15 raw']);
    },
  );

  test('does not take a page for what it was before it was zero', async () => {
    const random = new Random(1);
    const { region, flush } = await pair(random.bytes(20 * 4096));
    const old = region.bytes.slice(9 * 4096, 10 * 4096);
    region.bytes.fill(0, 9 * 4096, 10 * 4096);
    expect(await flush([9])).toEqual(['0:9 zero']);
    region.bytes.set(old.subarray(0, 3000), 9 * 4096);
    expect(await flush([9])).toEqual(['0:9 delta']);
  });

  test('is not sent unless the destination takes it, nor taken unless that was said', async () => {
    const random = new Random(1);
    const { region, flush } = await pair(random.bytes(20 * 4096), { patches: false });
    region.bytes.copyWithin(5 * 4096, 9 * 4096 + 100, 10 * 4096 + 100);
    expect(await flush([5])).toEqual(['0:5 raw']);
    const engine = new ApplyEngine([testRegion(new Uint8Array(8192))], { secret });
    const frame = naiveBody([{ region: 0, page: 0, kind: 'patch', payload: Uint8Array.of(4, 9) }]);
    await expect(engine.apply(frame.body, frame.tableBytes)).rejects.toThrow('unknown page kind');
  });

  test('is not tried while that is switched off, and the rings stay equal', async () => {
    const random = new Random(1);
    const { region, capture, flush } = await pair(random.bytes(30 * 4096));
    capture.tryPatches(0);
    const old = region.bytes.slice(5 * 4096, 6 * 4096);
    for (let at = 5 * 4096; at < 6 * 4096; at += 8) region.bytes[at] = random.u32();
    expect(await flush([5])).toEqual(['0:5 delta']);
    region.bytes.copyWithin(20 * 4096, 9 * 4096 + 100, 10 * 4096 + 100);
    region.bytes.set(random.bytes(4096), 21 * 4096);
    expect(await flush([20, 21])).toEqual(['0:20 raw', '0:21 raw']);
    capture.tryPatches(64);
    region.bytes.set(old, 25 * 4096);
    region.bytes.copyWithin(26 * 4096, 21 * 4096, 22 * 4096);
    expect(await flush([25, 26])).toEqual(['0:25 patch', '0:26 patch']);
  });

  test('finds the same ring at both ends where a page beyond the shadow was replaced', async () => {
    const random = new Random(1);
    const { region, flush } = await pair(random.bytes(512 * 4096), {
      shadowBytes: 256 * 4096,
      baseCacheBytes: 64 * 4104,
    });
    const change = (page: number) => {
      for (let at = page * 4096; at < (page + 1) * 4096; at += 8) region.bytes[at] = random.u32();
    };
    const old = region.bytes.slice(5 * 4096, 6 * 4096);
    change(5);
    change(300);
    expect(await flush([5, 300])).toContain('0:300 raw');
    change(300);
    expect(await flush([300])).toEqual(['0:300 delta']);
    region.bytes.set(old, 25 * 4096);
    expect(await flush([25])).toEqual(['0:25 patch']);
  });

  test('is tried the less the more a try costs', async () => {
    const tries = async (costBytes: number): Promise<number> => {
      const random = new Random(1);
      const { region, capture, flush } = await pair(random.bytes(1000 * 4096));
      capture.tryPatches(costBytes);
      // Each page gets 400 bytes of another, between noise.
      const pages = Array.from({ length: 500 }, (_, page) => page);
      for (const page of pages) {
        const moved = region.bytes.slice((page + 500) * 4096, (page + 500) * 4096 + 400);
        region.bytes.set(random.bytes(4096), page * 4096);
        region.bytes.set(moved, page * 4096);
      }
      return (await flush(pages)).filter((page) => page.endsWith('patch')).length;
    };
    expect(await tries(64)).toBeGreaterThan(490);
    const few = await tries(1200);
    expect(few).toBeGreaterThan(50);
    expect(few).toBeLessThan(100);
  });

  test('is tried ever less where pages are new through and through, and again once one was worth it', async () => {
    const random = new Random(1);
    const pages = 3000;
    const { region, flush } = await pair(random.bytes(pages * 4096));
    const noisy = Array.from({ length: 1996 }, (_, page) => page);
    region.bytes.set(random.bytes(noisy.length * 4096));
    const moved = Array.from({ length: 500 }, (_, index) => 2500 + index);
    region.bytes.copyWithin(2500 * 4096, 2000 * 4096 + 50, 2500 * 4096 + 50);
    const kinds = await flush([...noisy, ...moved]);
    const patched = kinds.filter((page) => page.endsWith('patch')).length;
    expect(patched).toBeGreaterThan(480);
    expect(patched).toBeLessThan(500);
  });

  test('is still found after thousands of pages have come and gone', async () => {
    const random = new Random(1);
    const { region, capture, flush, indexed } = await pair(random.bytes(60 * 4096));
    const noisy = Array.from({ length: 40 }, (_, page) => page);
    let renewals = 0;
    capture.tryPatches(0);
    for (let round = 0; round < 120; round++) {
      region.bytes.set(random.bytes(40 * 4096));
      await flush(noisy);
      // All at once: whoever asks until nothing is left must not be told so in between.
      // What changed while no patches were tried waits for it, and is all there is to index but after a renewal.
      if (indexed() > noisy.length) renewals += 1;
      expect([noisy.length, noisy.length + 60]).toContain(indexed());
    }
    expect(renewals).toBeGreaterThan(1);
    capture.tryPatches(64);
    region.bytes.copyWithin(45 * 4096, 53 * 4096 + 100, 54 * 4096 + 100);
    expect(await flush([45])).toEqual(['0:45 patch']);
  });

  test('may copy across the seam of the ring', async () => {
    const random = new Random(1);
    const { region, destination, flush } = await pair(random.bytes(20 * 4096));
    for (let at = 0; at < 3; at++) {
      region.bytes.copyWithin(at * 4096, 10 * 4096 + 9, 11 * 4096 + 9);
      expect(await flush([at])).toEqual([`0:${at} patch`]);
    }
    // All 4096 bytes of page 0 from 100 bytes before the first page pushed: zeros, then what that page held.
    const zigzag = 2 * (3 * 4096 + 100) - 1;
    const patch = [0xe3, ...varint(4096 - 11), ...varint(zigzag)];
    await destination.apply([
      naiveBody([{ region: 0, page: 0, kind: 'patch', payload: Uint8Array.from(patch) }]),
    ]);
    const page = destination.regions[0]?.bytes.subarray(0, 4096) ?? new Uint8Array();
    expect(page.subarray(0, 100)).toEqual(new Uint8Array(100));
    expect(page.subarray(100)).toEqual(new Random(1).bytes(4096).subarray(0, 3996));
  });

  test('that is wrong at the end of a frame keeps the whole frame from being written', async () => {
    const random = new Random(1);
    const region = testRegion(random.bytes(20 * 4096));
    const before = region.bytes.slice();
    const engine = new ApplyEngine([region], { secret, patches: true });
    const good = { region: 0, kind: 'patch', payload: Uint8Array.of(0xe1, 0x10, 0x04, 7) } as const;
    const bad = { ...good, page: 9, payload: Uint8Array.of(0xe3, 0x10, 0xfe, 0xff, 0x7f) };
    const frame = naiveBody([{ ...good, page: 2 }, { ...good, page: 3 }, bad]);
    await expect(engine.apply(frame.body, frame.tableBytes)).rejects.toMatchObject({
      code: 'ERR_FRAME_CORRUPT',
    });
    expect(Buffer.compare(region.bytes, before)).toBe(0);
  });
});

test('what a frame that is never sent replaced is not copied from', async () => {
  const random = new Random(1);
  const region = testRegion(random.bytes(600 * 4096));
  const file = testRegion(random.bytes(4 * 4096), { id: 1, as: 'file' });
  const regions = [region, file];
  const marks = new MarksTracker(regions);
  const capture = new CaptureEngine(regions, marks, {
    secret,
    shadowBytes: 16 * MIB,
    baseCacheBytes: 0,
    patches: true,
  });
  const there = regions.map(({ id, bytes }) => testRegion(new Uint8Array(bytes.length), { id }));
  const destination = new Destination(there);
  await destination.apply(await captureAll(capture));
  capture.indexPages(10_000);
  const patched = async (page: number) => {
    const old = region.bytes.slice(page * 4096, (page + 1) * 4096);
    region.bytes.copyWithin(page * 4096, 300 * 4096 + 7, 301 * 4096 + 7);
    marks.mark(0, page * 4096, 1);
    return old;
  };
  const before = await patched(3);
  capture.takeDirty();
  await destination.apply(await captureAll(capture));
  const lost = await patched(5);
  marks.mark(1, 0, 1);
  const whole = file.bytes;
  file.bytes = whole.subarray(0, 100);
  capture.takeDirty();
  await expect(captureAll(capture)).rejects.toMatchObject({ code: 'ERR_SOURCE_CHANGED' });
  file.bytes = whole;
  region.bytes.set(before, 550 * 4096);
  region.bytes.set(lost, 560 * 4096);
  for (const page of [550, 560]) marks.mark(0, page * 4096, 1);
  capture.takeDirty();
  await destination.apply(await captureAll(capture));
  expect(Buffer.compare(there[0]?.bytes ?? new Uint8Array(), region.bytes)).toBe(0);
  region.bytes.copyWithin(570 * 4096, 310 * 4096 + 7, 311 * 4096 + 7);
  marks.mark(0, 570 * 4096, 1);
  capture.takeDirty();
  const frames = await captureAll(capture);
  expect(sent(frames)).toEqual(['0:570 patch']);
  await destination.apply(frames);
});
