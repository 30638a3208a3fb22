import { describe, expect, test } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import type { CaptureEngine } from '../../src/codec/capture.js';
import type { CapturedFrame } from '../../src/codec/frame-slots.js';
import { decompressLz4 } from '../../src/codec/lz4.js';
import { HashTracker } from '../../src/memory/scan-trackers.js';
import { naiveLz4 } from '../reference/lz4.js';
import { Random } from '../reference/random.js';
import { testRegion } from '../reference/regions.js';
import { naivePages } from '../reference/run-table.js';
import { newCapture, secret } from './ends.js';

const pages = 40;
const random = new Random(9);

/** Pages of words that come again and again, or of noise. */
function region(kind: 'words' | 'noise') {
  const bytes = random.bytes(pages * 4096).slice();
  if (kind === 'words') for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) & 1;
  return testRegion(bytes);
}

async function captured(capture: CaptureEngine): Promise<CapturedFrame> {
  const { frame } = await capture.capture({ maxPayloadBytes: 1 << 19, maxPages: 1000 });
  if (frame === undefined) throw new Error('nothing was captured');
  return frame;
}

function compressed(capture: CaptureEngine, frame: CapturedFrame): CapturedFrame {
  return capture.compressor?.compress(frame) ?? frame;
}

describe('a compressed frame', () => {
  test('is a block that becomes what it was, in the place where it was', async () => {
    const capture = newCapture([region('words')], new HashTracker(), { lz4: true });
    const frame = await captured(capture);
    const before = frame.bytes.slice(40);
    const table = frame.copyTable();
    const packed = compressed(capture, frame);
    expect(packed.bodyBytes).toBeLessThan(0.6 * before.length);
    expect(packed.rawBytes).toBe(before.length);
    expect(packed.tableBytes).toBe(frame.tableBytes);
    expect(packed.bytes.byteLength).toBe(40 + packed.bodyBytes);
    expect(packed.bytes.byteOffset).toBe(frame.bytes.byteOffset);
    expect(packed.copyTable()).toEqual(table);
    expect(packed.pages).toEqual(frame.pages);
    const block = packed.bytes.subarray(40);
    expect(Buffer.compare(naiveLz4(block, before.length) ?? new Uint8Array(), before)).toBe(0);
    expect(Buffer.compare(decompressLz4(block, before.length), before)).toBe(0);
    expect(naivePages(before, packed.tableBytes)).toHaveLength(pages);
  });

  test('gives its place back when it is released', async () => {
    const capture = newCapture([region('words')], new HashTracker(), { lz4: true, slots: 1 });
    const packed = compressed(capture, await captured(capture));
    expect(capture.freeSlots).toBe(0);
    packed.release();
    expect(capture.freeSlots).toBe(1);
  });

  test('that is taken back leaves its pages unknown', async () => {
    const capture = newCapture([region('words')], new HashTracker(), { lz4: true });
    const packed = compressed(capture, await captured(capture));
    expect(capture.dirtyPages).toBe(0);
    capture.takeBack(packed);
    expect(capture.dirtyPages).toBe(pages);
  });

  test('stays as it is where that saves less than 1/64, or nobody takes it', async () => {
    for (const [kind, lz4] of [
      ['noise', true],
      ['words', false],
    ] as const) {
      const capture = newCapture([region(kind)], new HashTracker(), { lz4 });
      const frame = await captured(capture);
      const before = frame.bytes.slice();
      expect(capture.compressor !== undefined).toBe(lz4);
      expect(compressed(capture, frame)).toBe(frame);
      expect(frame.rawBytes).toBe(frame.bodyBytes);
      expect(Buffer.compare(frame.bytes, before)).toBe(0);
    }
  });

  test('of mostly noise is spared what is not', async () => {
    const mixed = region('noise');
    mixed.bytes.copyWithin(4 * 4096, 8 * 4096, 12 * 4096);
    const capture = newCapture([mixed], new HashTracker(), { lz4: true });
    const { rawBytes, bodyBytes } = compressed(capture, await captured(capture));
    expect(bodyBytes).toBeLessThan(rawBytes - 3 * 4096);
  });

  test('is tried without a change to it', async () => {
    for (const [kind, least, most] of [
      ['words', 0.1, 0.6],
      ['noise', 1, 1],
    ] as const) {
      const capture = newCapture([region(kind)], new HashTracker(), { lz4: true });
      const frame = await captured(capture);
      const before = frame.bytes.slice();
      const { rawBytes = 0, bodyBytes = 0 } = capture.compressor?.try(frame) ?? {};
      expect(rawBytes).toBe(16_384);
      expect(bodyBytes / rawBytes).toBeGreaterThanOrEqual(least);
      expect(bodyBytes / rawBytes).toBeLessThanOrEqual(most);
      expect(Buffer.compare(frame.bytes, before)).toBe(0);
    }
  });
});

describe('a destination', () => {
  async function block() {
    const capture = newCapture([region('words')], new HashTracker(), { lz4: true });
    const { bytes, tableBytes, rawBytes } = compressed(capture, await captured(capture));
    return { body: bytes.slice(40), tableBytes, rawBytes };
  }

  test('refuses what it did not agree on', async () => {
    const { body, tableBytes, rawBytes } = await block();
    const target = testRegion(new Uint8Array(pages * 4096));
    const engine = new ApplyEngine([target], { secret });
    await expect(engine.apply(body, tableBytes, rawBytes)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
    expect(target.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('refuses blocks that are none, or become more, or less, than the header says', async () => {
    const { body, tableBytes, rawBytes } = await block();
    const target = testRegion(new Uint8Array(pages * 4096));
    const engine = new ApplyEngine([target], { secret, lz4: true });
    const tries: [Uint8Array, number, string][] = [
      [body, rawBytes + 1, 'ERR_FRAME_CORRUPT'],
      [body, rawBytes - 1, 'ERR_FRAME_CORRUPT'],
      [body.subarray(0, -1), rawBytes, 'ERR_FRAME_CORRUPT'],
      [random.bytes(1000), rawBytes, 'ERR_FRAME_CORRUPT'],
      [body, 2 ** 31, 'ERR_FRAME_TOO_LARGE'],
      // 255 times as much is the most a block can say.
      [new Uint8Array(5000).fill(255), 1_200_000, 'ERR_FRAME_CORRUPT'],
    ];
    for (const [bad, bytes, code] of tries) {
      await expect(engine.apply(bad, tableBytes, bytes)).rejects.toMatchObject({ code });
    }
    expect(target.bytes.every((byte) => byte === 0)).toBe(true);
    expect(await engine.apply(body, tableBytes, rawBytes)).toMatchObject({ pages });
  });

  test('checks what a block becomes as it checks every body', async () => {
    const { body, tableBytes, rawBytes } = await block();
    const small = testRegion(new Uint8Array((pages - 1) * 4096));
    const engine = new ApplyEngine([small], { secret, lz4: true });
    await expect(engine.apply(body, tableBytes, rawBytes)).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
    expect(small.bytes.every((byte) => byte === 0)).toBe(true);
  });
});

test('looking at a block takes no word for how long it is', () => {
  expect(() => decompressLz4(new Uint8Array(4), 2 ** 40)).toThrow(RangeError);
  expect(() => decompressLz4(new Uint8Array(4), -1)).toThrow(RangeError);
  expect(() => decompressLz4(Uint8Array.of(0x50, 1, 2), 5)).toThrow('no LZ4 block of 5 bytes');
});
