import crypto from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Span, type Tracked, track } from './tracking.js';

const contents = Uint8Array.from({ length: 40 }, (_, at) => at + 1);
let path: string;
let file: number;
let buffer: ArrayBuffer;
let tracked: Tracked;

beforeEach(() => {
  path = join(fs.mkdtempSync(join(tmpdir(), 'pageferry-test-')), 'a');
  fs.writeFileSync(path, contents);
  file = fs.openSync(path, 'r');
  buffer = new ArrayBuffer(256);
  tracked = track({ buffer });
});

afterEach(() => {
  tracked.stop();
  fs.closeSync(file);
  fs.rmSync(join(path, '..'), { recursive: true });
});

/** The bytes that are no longer 0, as one span: what was read has no zeros. */
function written(): Span[] {
  const bytes = new Uint8Array(buffer);
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? [] : [[first, bytes.findLastIndex((byte) => byte !== 0) + 1 - first]];
}

const view = () => new Uint8Array(buffer, 16, 64);
const wide = () => new Uint32Array(buffer, 16, 16);

describe('a read from a file', () => {
  const reads: [string, () => number][] = [
    ['all of it', () => fs.readSync(file, view(), 0, 64, 0)],
    ['less than there is', () => fs.readSync(file, view(), 5, 7, 3)],
    ['into elements that are no bytes', () => fs.readSync(file, wide(), 3, 10, 0)],
    ['into a DataView', () => fs.readSync(file, new DataView(buffer, 9), 1, 10, 0)],
    ['without more arguments', () => fs.readSync(file, view())],
    ['with null for the offset', () => fs.readSync(file, view(), null as unknown as 0, 9, 0)],
    ['with options', () => fs.readSync(file, view(), { offset: 11, length: 6 })],
    ['with options that say nothing', () => fs.readSync(file, view(), {})],
    ['beyond the end', () => fs.readSync(file, view(), 0, 10, 100)],
    ['of nothing', () => fs.readSync(file, view(), 0, 0, 0)],
    ['into several', () => fs.readvSync(file, [view().subarray(0, 9), view().subarray(9, 50)], 4)],
    ['into several, not all of them', () => fs.readvSync(file, [view(), view().subarray(60)], 0)],
  ];

  test.each(reads)('is told: %s', (_, read) => {
    const count = read();
    const sum = tracked.take();
    expect(sum.reduce((bytes, [, length]) => bytes + length, 0)).toBe(count);
    const [[from = 0, length = 0] = []] = written();
    expect(sum.length > 1 ? [[sum[0]?.[0], count]] : sum).toEqual(
      count === 0 ? [] : [[from, length]],
    );
  });

  test('into another buffer is not', () => {
    fs.readSync(file, new Uint8Array(8));
    fs.readvSync(file, [new Uint8Array(8)]);
    expect(tracked.take()).toEqual([]);
  });

  test('into several tells only of what is watched', () => {
    const [mine, other] = [view().subarray(0, 8), new Uint8Array(8)];
    expect(fs.readvSync(file, [other, mine, other, mine.subarray(4)], 0)).toBe(28);
    expect(tracked.take()).toEqual([
      [16, 8],
      [20, 4],
    ]);
  });

  test('by options that answer when asked is told as all of the view, and they are asked once', () => {
    let asked = 0;
    const options = {
      get offset() {
        asked++;
        return 3;
      },
      length: 4,
    };
    expect(fs.readSync(file, view(), options)).toBe(4);
    expect(asked).toBe(1);
    expect(tracked.take()).toEqual([[16, 64]]);
  });

  test('that fails is told with all it might have written', () => {
    expect(() => fs.readSync(-1, view(), 0, 4, 0)).toThrow(RangeError);
    expect(tracked.take()).toEqual([[16, 64]]);
  });

  test('in the background is told before it calls back', async () => {
    const told = await new Promise<unknown>((resolve, reject) => {
      fs.read(file, view(), 2, 9, 0, (error, count, into) => {
        if (error !== null) reject(error);
        else resolve([count, into.byteOffset, tracked.take()]);
      });
      expect(tracked.take()).toEqual([]);
    });
    expect(told).toEqual([9, 16, [[18, 9]]]);
    expect(written()).toEqual([[18, 9]]);
  });

  test('in the background takes every form it has', async () => {
    const read = promisify(fs.read);
    const forms: [() => Promise<{ readonly bytesRead: number }>, Span][] = [
      [() => read(file, view(), 4, 5, 0), [20, 5]],
      [() => read(file, { buffer: view(), offset: 6, length: 3, position: 0 }), [22, 3]],
      [() => read(file, new DataView(buffer, 24), 0, 2, 0), [24, 2]],
    ];
    for (const [form, span] of forms) {
      const { bytesRead } = await form();
      expect(bytesRead).toBe(span[1]);
      expect(tracked.take()).toEqual([span]);
    }
    const { bytesRead } = await promisify(fs.readv)(file, [view().subarray(0, 4), wide()], 0);
    expect(bytesRead).toBe(40);
    expect(tracked.take()).toEqual([
      [16, 4],
      [16, 36],
    ]);
  });

  test('in the background that fails is told with all it might have written', async () => {
    await expect(promisify(fs.read)(99_999, view(), 0, 8, 0)).rejects.toThrow('EBADF');
    expect(tracked.take()).toEqual([[16, 64]]);
  });

  test('without a callback throws as ever', () => {
    const call = fs.read as unknown as (...args: unknown[]) => void;
    expect(() => call(file, view(), 0, 8, 0)).toThrow(TypeError);
    expect(tracked.take()).toEqual([]);
  });
});

describe('random bytes', () => {
  test('are told wherever they come from', async () => {
    globalThis.crypto.getRandomValues(wide());
    expect(tracked.take()).toEqual([[16, 64]]);
    crypto.getRandomValues(view());
    crypto.webcrypto.getRandomValues(view());
    expect(new Set(tracked.take().flat())).toEqual(new Set([16, 64]));
    crypto.randomFillSync(view(), 3, 8);
    crypto.randomFillSync(wide(), 3, 2);
    crypto.randomFillSync(wide(), 15);
    crypto.randomFillSync(buffer as unknown as Uint8Array, 200);
    expect(tracked.take()).toEqual([
      [19, 8],
      [28, 8],
      [76, 4],
      [200, 56],
    ]);
    await promisify(crypto.randomFill)(view());
    expect(tracked.take()).toEqual([[16, 64]]);
    await new Promise((resolve) => crypto.randomFill(wide(), 1, 3, resolve));
    expect(tracked.take()).toEqual([[20, 12]]);
    expect(() => globalThis.crypto.getRandomValues(new Float32Array(buffer))).toThrow();
    globalThis.crypto.getRandomValues(new Uint8Array(9));
    tracked.take();
  });
});
