import { xxh3 } from '@node-rs/xxhash';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeXbzrle, encodeXbzrle, PageHasher } from '../../src/codec/index.js';
import { Random, scribble } from '../reference/random.js';
import { naiveDecode, naiveEncode } from '../reference/xbzrle.js';

describe('encodeXbzrle and decodeXbzrle', () => {
  test('are the naive twin for any two contents of any length and room', () => {
    const lengths = fc.integer({ min: 0, max: 512 }).map((words) => words * 8);
    fc.assert(
      fc.property(lengths, fc.nat(), fc.nat(7000), (length, seed, room) => {
        const random = new Random(seed);
        const previous = random.bytes(length);
        const next = previous.slice();
        if (length > 0) scribble(random, next);
        const out = new Uint8Array(room).fill(0xaa);
        const bytes = encodeXbzrle(previous, next, out);
        const expected = naiveEncode(previous, next, 1e9) ?? new Uint8Array();
        if (bytes < 0) {
          expect(expected.length + 2).toBeGreaterThan(room);
          expect(out.every((byte) => byte === 0xaa)).toBe(true);
          return;
        }
        expect(out.subarray(0, bytes)).toEqual(expected);
        const page = previous.slice();
        expect(decodeXbzrle(out.subarray(0, bytes), page)).toBe(naiveDecode(expected, page)?.end);
        expect(page).toEqual(next);
      }),
    );
  });

  test('malformed deltas give -1 and leave the page as it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (delta) => {
        const page = new Random(1).bytes(64);
        const before = page.slice();
        const expected = naiveDecode(delta, before);
        expect(decodeXbzrle(delta, page)).toBe(expected?.end ?? -1);
        expect(page).toEqual(expected?.page ?? before);
      }),
    );
    expect(decodeXbzrle(new Uint8Array(20_000), new Uint8Array(8))).toBe(-1);
  });

  test.each([4, 12, 4104])('%i bytes are no page', (length) => {
    const bytes = new Uint8Array(length);
    expect(() => encodeXbzrle(bytes, bytes, bytes)).toThrow(RangeError);
    expect(() => decodeXbzrle(bytes, bytes)).toThrow(RangeError);
  });

  test('lengths must be equal and arguments Uint8Arrays', () => {
    const bytes = new Uint8Array(16);
    expect(() => encodeXbzrle(bytes, new Uint8Array(8), bytes)).toThrow(RangeError);
    expect(() => Reflect.apply(encodeXbzrle, undefined, [bytes, bytes, [1]])).toThrow(TypeError);
    expect(() => Reflect.apply(decodeXbzrle, undefined, ['delta', bytes])).toThrow(TypeError);
  });
});

test('a page hasher gives XXH3-64 of each page, the last one padded with zeros', () => {
  const secret = new Random(6).bytes(192);
  const bytes = new Random(7).bytes(200 * 4096 + 5);
  const padded = new Uint8Array(201 * 4096);
  padded.set(bytes);
  const hasher = new PageHasher(secret);
  hasher.hash(new Random(8).bytes(64 * 4096));
  const expected = Array.from({ length: 201 }, (_, page) =>
    xxh3.xxh64WithSecret(padded.subarray(page * 4096, (page + 1) * 4096), secret),
  );
  expect([...hasher.hash(bytes)]).toEqual(expected);
  expect(hasher.hash(new Uint8Array())).toHaveLength(0);
});
