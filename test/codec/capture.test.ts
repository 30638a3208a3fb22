import { describe, expect, test } from 'vitest';
import { CaptureEngine } from '../../src/codec/capture.js';
import { FerryError } from '../../src/errors.js';
import { MarksTracker } from '../../src/memory/marks.js';
import type { Region } from '../../src/memory/region.js';
import { HashTracker } from '../../src/memory/scan-trackers.js';
import { Random } from '../reference/random.js';
import { testRegion } from '../reference/regions.js';
import { captureAll, MIB, newCapture, secret, sent } from './ends.js';

const random = new Random(5);
const noise = (pages: number) => random.bytes(pages * 4096);
const code = (error: unknown) => (error instanceof FerryError ? error.code : error);

describe('what is sent', () => {
  test('a fresh destination gets only pages that are not zero', async () => {
    const region = testRegion(new Uint8Array(8 * 4096));
    region.bytes.fill(7, 4096, 8192);
    region.bytes.set(noise(1), 5 * 4096);
    region.bytes[6 * 4096] = 1;
    const capture = newCapture([region], new HashTracker());
    capture.setBase(0, 'zero');
    const frames = await captureAll(capture);
    expect(sent(frames)).toEqual(['0:1 fill', '0:5 raw', '0:6 delta']);
  });

  test('an unknown destination gets every page, and none as a delta', async () => {
    const region = testRegion(new Uint8Array(4 * 4096));
    region.bytes[4096] = 1;
    const capture = newCapture([region], new HashTracker());
    capture.setBase(0, 'unknown');
    expect(sent(await captureAll(capture))).toEqual([
      '0:0 zero',
      '0:1 raw',
      '0:2 zero',
      '0:3 zero',
    ]);
  });

  test('before a base is named it is unknown', async () => {
    const capture = newCapture([testRegion(new Uint8Array(4096))], new HashTracker());
    expect(sent(await captureAll(capture))).toEqual(['0:0 zero']);
  });

  test.each([MIB, 0])(
    'a page is never skipped while its base is not known (shadow %i)',
    async (shadowBytes) => {
      const region = testRegion(noise(4));
      region.bytes.fill(0, 4096, 8192);
      const capture = newCapture([region], new MarksTracker([region]), { shadowBytes });
      const [first] = await captureAll(capture);
      expect(first?.pages).toHaveLength(4);
      capture.repair(0, [0, 1, 3]);
      expect(sent(await captureAll(capture))).toEqual(['0:0 raw', '0:1 zero', '0:3 raw']);
      capture.markAll();
      expect(await captureAll(capture)).toEqual([]);
      capture.forget(first?.body.subarray(0, first.tableBytes) ?? new Uint8Array());
      expect(capture.dirtyPages).toBe(4);
      expect(sent(await captureAll(capture))).toEqual([
        '0:0 raw',
        '0:1 zero',
        '0:2 raw',
        '0:3 raw',
      ]);
    },
  );

  test('a changed page goes as a delta with a shadow, raw without', async () => {
    for (const [shadowBytes, kind] of [
      [MIB, 'delta'],
      [0, 'raw'],
    ] as const) {
      const region = testRegion(noise(3));
      const marks = new MarksTracker([region]);
      const capture = newCapture([region], marks, { shadowBytes });
      await captureAll(capture);
      region.bytes[4100] = (region.bytes[4100] ?? 0) + 1;
      marks.mark(0, 4100, 1);
      capture.takeDirty();
      expect(capture.dirtyPages).toBe(1);
      expect(sent(await captureAll(capture))).toEqual([`0:1 ${kind}`]);
    }
  });

  test('only the part that the shadow covers goes as deltas', async () => {
    const region = testRegion(noise(600));
    const capture = newCapture([region], new HashTracker(), { shadowBytes: 300 * 4096 });
    await captureAll(capture);
    for (let page = 0; page < 600; page++) region.bytes[page * 4096] = page;
    capture.takeDirty();
    const kinds = new Map<string, number[]>();
    for (const { pages } of await captureAll(capture)) {
      for (const { kind, page } of pages) kinds.set(kind, [...(kinds.get(kind) ?? []), page]);
    }
    expect(Math.max(...(kinds.get('delta') ?? []))).toBeLessThan(256);
    expect(Math.min(...(kinds.get('raw') ?? []))).toBeGreaterThanOrEqual(256);
  });

  test('the base cache makes deltas of pages that are sent a third time', async () => {
    const region = testRegion(noise(200));
    const marks = new MarksTracker([region]);
    const capture = newCapture([region], marks, { shadowBytes: 0, baseCacheBytes: 64 * 4104 });
    await captureAll(capture);
    const change = async () => {
      for (const page of [10, 70, 130]) {
        region.bytes[page * 4096 + 9] = (region.bytes[page * 4096 + 9] ?? 0) + 1;
        marks.mark(0, page * 4096 + 9, 1);
      }
      capture.takeDirty();
      return sent(await captureAll(capture));
    };
    expect(await change()).toEqual(['0:10 raw', '0:70 raw', '0:130 raw']);
    expect(await change()).toEqual(['0:10 delta', '0:70 delta', '0:130 delta']);
  });

  test('incompressible first writes go raw, however many zeros they do not have', async () => {
    const region = testRegion(noise(2));
    region.bytes.fill(0, 0, 2048);
    const capture = newCapture([region], new HashTracker());
    capture.setBase(0, 'zero');
    expect(sent(await captureAll(capture))).toEqual(['0:0 delta', '0:1 raw']);
  });

  test('a partial last page is padded with zeros, whatever follows in memory', async () => {
    const memory = new Uint8Array(8192).fill(9);
    const region = {
      ...testRegion(memory),
      byteLength: 4100,
      maxByteLength: 8192,
      memory: () => memory,
    };
    const [frame] = await captureAll(newCapture([region], new HashTracker()));
    const last = frame?.pages[1]?.payload;
    expect(last?.subarray(0, 4)).toEqual(new Uint8Array(4).fill(9));
    expect(last?.subarray(4).every((byte) => byte === 0)).toBe(true);
  });
});

describe('frames', () => {
  test('keep to the payload budget, but always take a page', async () => {
    const region = testRegion(noise(40));
    const capture = newCapture([region], new HashTracker());
    const frames = await captureAll(capture, { maxPayloadBytes: 20_000, maxPages: 1000 });
    expect(frames.map(({ pages }) => pages.length)).toEqual(Array(10).fill(4));
    capture.repair(0, [1, 2]);
    expect(await captureAll(capture, { maxPayloadBytes: 1, maxPages: 1 })).toHaveLength(2);
  });

  test('report what they hold', async () => {
    const region = testRegion(noise(6));
    region.bytes.fill(0, 0, 4096);
    region.bytes.fill(3, 4096, 8192);
    const { frame } = await newCapture([region], new HashTracker()).capture({
      maxPayloadBytes: MIB,
      maxPages: 100,
    });
    expect(frame).toMatchObject({
      pageCount: 6,
      pages: { zero: 1, fill: 1, delta: 0, raw: 4 },
      payloadBytes: { zero: 0, fill: 8, delta: 0, raw: 4 * 4096 },
    });
    expect(frame?.bodyBytes).toBe((frame?.tableBytes ?? 0) + 8 + 4 * 4096);
    expect(frame?.bytes).toHaveLength(40 + (frame?.bodyBytes ?? 0));
  });

  test('occupy a slot until they are released, once', async () => {
    const region = testRegion(noise(6));
    const capture = newCapture([region], new HashTracker(), { slots: 2 });
    const budget = { maxPayloadBytes: 4098, maxPages: 10 };
    const { frame } = await capture.capture(budget);
    const second = await capture.capture(budget);
    expect(capture.freeSlots).toBe(0);
    await expect(capture.capture(budget)).rejects.toThrow(RangeError);
    frame?.release();
    frame?.release();
    expect(capture.freeSlots).toBe(1);
    second.frame?.release();
    expect(capture.freeSlots).toBe(2);
  });

  test('of nothing do not exist and keep no slot', async () => {
    const capture = newCapture([testRegion(new Uint8Array(4096))], new HashTracker(), { slots: 1 });
    capture.setBase(0, 'zero');
    const nothing = await capture.capture({ maxPayloadBytes: MIB, maxPages: 100 });
    expect(nothing).toEqual({ frame: undefined, examinedPages: 1, exhausted: true });
    expect(capture.freeSlots).toBe(1);
  });

  test('sweep regions and pages in ascending order, and go on where they ended', async () => {
    const regions = [testRegion(noise(300), { id: 8 }), testRegion(noise(3), { id: 2 })];
    const capture = newCapture(regions, new MarksTracker(regions));
    const budget = { maxPayloadBytes: 100 * 4096, maxPages: 1000 };
    const { frame } = await capture.capture(budget);
    frame?.release();
    capture.repair(2, [0]);
    const rest = sent(await captureAll(capture, budget));
    expect(rest[0]).toBe('8:96 raw');
    expect(rest.at(-1)).toBe('2:0 raw');
    expect(rest).toHaveLength(205);
  });

  test('stop at the page budget', async () => {
    const region = testRegion(new Uint8Array(1000 * 4096));
    const capture = newCapture([region], new HashTracker());
    capture.setBase(0, 'zero');
    const { examinedPages, exhausted } = await capture.capture({
      maxPayloadBytes: MIB,
      maxPages: 300,
    });
    expect([examinedPages, exhausted]).toEqual([300, false]);
  });

  test.each(['memory', 'file'] as const)(
    'of any size: each page of a %s is counted once, and hardly any read twice',
    async (as) => {
      for (const maxPayloadBytes of [16 << 10, 100 << 10, 512 << 10]) {
        const region = testRegion(noise(1000), { as });
        let readBytes = 0;
        const { read } = region;
        region.read = (offset, into) => {
          readBytes += into.length;
          return read(offset, into);
        };
        const capture = newCapture([region], new HashTracker());
        const framePages = Math.floor(maxPayloadBytes / 4098);
        const counts: number[] = [];
        for (let exhausted = false; !exhausted; ) {
          const step = await capture.capture({ maxPayloadBytes, maxPages: 10_000 });
          counts.push(step.examinedPages);
          step.frame?.release();
          exhausted = step.exhausted;
        }
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1000);
        expect(Math.max(...counts)).toBe(framePages);
        if (as === 'file') {
          expect(readBytes / 4096 / 1000).toBeLessThan(Math.max(1.3, 16 / framePages));
        }
      }
    },
  );

  test('go on behind what they took, whatever is repaired meanwhile', async () => {
    const region = testRegion(noise(300), { as: 'file' });
    const capture = newCapture([region], new HashTracker());
    const { read } = region;
    region.read = (offset, into) => {
      if (offset >= 100 * 4096) capture.repair(0, [3]);
      return read(offset, into);
    };
    const frames = await captureAll(capture, { maxPayloadBytes: 130 * 4098, maxPages: 1000 });
    const pages = frames.flatMap((frame) => frame.pages.map(({ page }) => page));
    expect(pages.filter((page) => page === 3).length).toBeGreaterThan(1);
    expect(new Set(pages).size).toBe(300);
  });

  test('hold at most 32,768 pages', async () => {
    const region = testRegion(new Uint8Array(33_000 * 4096));
    const frames = await captureAll(newCapture([region], new HashTracker(), { shadowBytes: 0 }));
    expect(frames.map(({ pages }) => pages.length)).toEqual([32_768, 232]);
    expect(frames[0]?.body.length).toBeLessThan(10);
  });

  test('have tables below 64 KiB even if every page is a run', async () => {
    const region = testRegion(new Uint8Array(64_000 * 4096), { id: 0xffffffff });
    for (let page = 0; page < 64_000; page += 2)
      region.bytes.fill(1, page * 4096, page * 4096 + 4096);
    const frames = await captureAll(newCapture([region], new HashTracker(), { shadowBytes: 0 }));
    expect(Math.max(...frames.map(({ tableBytes }) => tableBytes))).toBeLessThan(65_536);
    expect(frames.reduce((sum, { pages }) => sum + pages.length, 0)).toBe(64_000);
  });
});

describe('regions', () => {
  test('that grew unnoticed show nothing of it, though their tracker knows, until they are followed', async () => {
    const region = testRegion(noise(3), { maxByteLength: 10 * 4096 });
    const marks = new MarksTracker([region]);
    const capture = newCapture([region], marks);
    await captureAll(capture);
    region.grow(6 * 4096);
    region.bytes.set(noise(4), 2 * 4096);
    marks.mark(0, 2 * 4096, 4 * 4096);
    capture.takeDirty();
    // Fewer at a time than the tracker knows.
    const budget = { maxPayloadBytes: MIB, maxPages: 2 };
    expect(sent(await captureAll(capture, budget))).toEqual(['0:2 raw']);
    expect(capture.syncRegions([region])).toHaveLength(1);
    expect(sent(await captureAll(capture))).toEqual(['0:3 raw', '0:4 raw', '0:5 raw']);
  });

  test('that grow, appear and vanish are reported, and what is new is dirty', async () => {
    const grown = testRegion(noise(1).subarray(0, 100), { id: 1, maxByteLength: 100_000 });
    const gone = testRegion(noise(1), { id: 2 });
    const marks = new MarksTracker([grown, gone]);
    const capture = newCapture([grown, gone], marks);
    await captureAll(capture);
    expect(capture.syncRegions([grown, gone])).toEqual([]);
    grown.grow(3 * 4096);
    grown.bytes[8192] = 1;
    const added = testRegion(noise(2), { id: 0 });
    expect(capture.syncRegions([grown, added])).toEqual([
      { id: 0, name: 'region 0', byteLength: 8192 },
      { id: 1, name: 'region 1', byteLength: 3 * 4096 },
      { id: 2, name: 'region 2', byteLength: -1 },
    ]);
    expect(capture.totalPages).toBe(5);
    expect(sent(await captureAll(capture))).toEqual(['0:0 raw', '0:1 raw', '1:2 delta']);
    expect(capture.roots().map(({ id, byteLength }) => [id, byteLength])).toEqual([
      [0, 8192],
      [1, 12_288],
    ]);
    expect(() => capture.leaves(2)).toThrow(RangeError);
  });

  test('that grew are read as long as they were until the list was followed, and nothing is lost', async () => {
    const region = testRegion(noise(1).subarray(0, 100), { maxByteLength: 8192 });
    const marks = new MarksTracker([region]);
    const capture = newCapture([region], marks);
    await captureAll(capture);
    region.grow(200);
    region.bytes[150] = 1;
    marks.mark(0, 150, 1);
    capture.takeDirty();
    expect(await captureAll(capture)).toEqual([]);
    expect(capture.syncRegions([region])).toHaveLength(1);
    expect(sent(await captureAll(capture))).toEqual(['0:0 delta']);
  });

  test('are others under an id given anew, whatever they are called and however long they are', async () => {
    for (const pages of [1, 2, 3]) {
      const marks = new MarksTracker([testRegion(noise(3))]);
      const before = testRegion(noise(2));
      const other = testRegion(noise(1), { id: 1 });
      const capture = newCapture([before, other], marks);
      await captureAll(capture);
      const after = testRegion(noise(pages));
      expect(capture.syncRegions([after, other])).toEqual([
        { id: 0, name: 'region 0', byteLength: -1 },
        { id: 0, name: 'region 0', byteLength: pages * 4096 },
      ]);
      capture.takeDirty();
      const whole = Array.from({ length: pages }, (_, page) => `0:${page} raw`);
      expect(sent(await captureAll(capture))).toEqual(whole);
      expect(capture.syncRegions([after, other])).toEqual([]);
    }
  });

  test('may come and go without end', async () => {
    const capture = newCapture([], new HashTracker());
    for (let id = 0; id < 200; id++) {
      const region = testRegion(noise(1), { id, maxByteLength: 2 ** 30 });
      expect(capture.syncRegions([region])).toHaveLength(id === 0 ? 1 : 2);
      expect(sent(await captureAll(capture))).toEqual([`${id}:0 raw`]);
    }
  });

  test('that shrink are ERR_SOURCE_CHANGED, at the next list or when they are read', async () => {
    const region = testRegion(noise(3));
    const file = testRegion(noise(3), { as: 'file', id: 1 });
    const calls = testRegion(noise(3), { as: 'calls', id: 2 });
    const capture = newCapture([region, file, calls], new HashTracker(), { slots: 1 });
    for (const shrunk of [region, file, calls]) {
      const whole = shrunk.bytes;
      shrunk.bytes = whole.subarray(0, 8192);
      expect(await captureAll(capture).catch(code)).toBe('ERR_SOURCE_CHANGED');
      shrunk.bytes = whole;
    }
    expect(sent(await captureAll(capture))).toHaveLength(9);
    region.bytes = region.bytes.subarray(0, 100);
    expect(() => capture.syncRegions([region, file, calls])).toThrow(
      expect.objectContaining({ code: 'ERR_SOURCE_CHANGED' }),
    );
  });

  test('that outgrow their maximum are ERR_REGION_TOO_LARGE', () => {
    const region = testRegion(noise(1));
    const capture = newCapture([region], new HashTracker());
    region.bytes = noise(2);
    expect(() => capture.syncRegions([region])).toThrow(
      expect.objectContaining({ code: 'ERR_REGION_TOO_LARGE' }),
    );
  });

  test('may be larger than 4 GiB', async () => {
    const GIB = 2 ** 30;
    const byteLength = 9 * GIB + 1;
    const stored = new Map([
      [5 * GIB, 17],
      [9 * GIB, 18],
    ]);
    const region: Region = {
      id: 3,
      name: 'sparse',
      byteLength,
      maxByteLength: byteLength,
      read(offset, into) {
        const bytes = Math.min(into.length, byteLength - offset);
        into.fill(0, 0, bytes);
        for (const [at, value] of stored) {
          if (at >= offset && at < offset + bytes) into[at - offset] = value;
        }
        return bytes;
      },
      write() {},
      grow() {},
    };
    const marks = new MarksTracker([region]);
    const capture = newCapture([region], marks);
    capture.setBase(3, 'zero');
    // A whole pass over 9 GiB takes seconds: only what is marked is looked at here.
    const engine = capture.totalPages;
    expect(engine).toBe(9 * 2 ** 18 + 1);
    const other = newCapture([{ ...region, byteLength: 0 }], marks);
    other.syncRegions([region]);
    expect(other.dirtyPages).toBe(engine);
    const frames = await captureAll(other);
    expect(sent(frames)).toEqual([`3:${5 * 2 ** 18} delta`, `3:${9 * 2 ** 18} delta`]);
  }, 60_000);

  test('too large for the bookkeeping are ERR_NO_CAPACITY', () => {
    const region = { ...testRegion(new Uint8Array(0)), maxByteLength: 2 ** 42 };
    expect(() => newCapture([region], new HashTracker())).toThrow(
      expect.objectContaining({ code: 'ERR_NO_CAPACITY' }),
    );
  });

  test('need ids of their own', () => {
    const regions = [testRegion(noise(1)), testRegion(noise(1))];
    expect(() => newCapture(regions, new HashTracker())).toThrow(RangeError);
  });
});

test.each([
  { slots: 0 },
  { slots: 1.5 },
  { maxPayloadBytes: 4097 },
  { maxPayloadBytes: Number.NaN },
])('%o are no options', (options) => {
  const all = { secret, shadowBytes: 0, baseCacheBytes: 0, ...options };
  expect(() => new CaptureEngine([], new HashTracker(), all)).toThrow(RangeError);
});

test('repair and setBase refuse pages and regions that do not exist', () => {
  const capture = newCapture([testRegion(noise(1))], new HashTracker());
  expect(() => capture.repair(0, [1])).toThrow(RangeError);
  expect(() => capture.repair(1, [])).toThrow(RangeError);
  expect(() => capture.setBase(1, 'zero')).toThrow(RangeError);
  expect(() => capture.forget(Uint8Array.of(1))).toThrow(RangeError);
});

describe('memory provided before the pause', () => {
  test('is that of the scratch and of the frames, each once, but of none that is being sent', async () => {
    const region = testRegion(noise(256));
    const capture = newCapture([region], new MarksTracker([region]), {
      slots: 3,
      maxPayloadBytes: 64 * 4096,
    });
    const { frame } = await capture.capture({ maxPayloadBytes: 4 * 4098, maxPages: 4 });
    const sealed = frame?.bytes.slice();
    const provided = () => {
      let times = 0;
      while (capture.provide()) times++;
      return times;
    };
    expect(provided()).toBe(1 + 2);
    expect(frame?.bytes).toEqual(sealed);
    frame?.release();
    expect(provided()).toBe(1);
    const [rest] = await captureAll(capture);
    expect(rest?.pages.map(({ page }) => page)).toContain(4);
  });

  test('is no more than the pages could fill', () => {
    const region = testRegion(noise(8));
    const capture = newCapture([region], new MarksTracker([region]));
    expect([capture.provide(), capture.provide(), capture.provide()]).toEqual([true, true, false]);
  });
});
