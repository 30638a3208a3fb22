import { randomBytes } from 'node:crypto';
import { xxh3 } from '@node-rs/xxhash';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InPlaceHasher } from '../../src/core/in-place.js';
import { builds } from '../reference/builds.js';

const pageBytes = 4096;
const pages = 16;

describe.each(builds)('the in-place hasher, $build memory', ({ shared }) => {
  const secret = randomBytes(192);
  const newMemory = () => new WebAssembly.Memory({ initial: 1, maximum: 2, shared });

  test('finds XXH3-64 with the secret, for every page', () => {
    const memory = newMemory();
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(randomBytes(bytes.length));
    const hashes = new Uint32Array(2 * pages);
    new InPlaceHasher(memory, secret).hashAll(hashes, 0, pages);
    const expected = Array.from({ length: pages }, (_, page) =>
      xxh3.xxh64WithSecret(bytes.slice(page * pageBytes, (page + 1) * pageBytes), secret),
    );
    expect([...new BigUint64Array(hashes.buffer)]).toEqual(expected);
  });

  test('stops at each changed page of a range once, and leaves memory as it was', () => {
    const memory = newMemory();
    const bytes = new Uint8Array(memory.buffer);
    const firstByte = 2 * pageBytes;
    const count = pages - 2;
    const hasher = new InPlaceHasher(memory, secret, firstByte);
    const hashes = new Uint32Array(2 * count);
    const changes = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })));
    fc.assert(
      fc.property(changes, fc.nat(count), fc.nat(count), (list, one, other) => {
        const from = Math.min(one, other);
        const end = Math.max(one, other);
        hasher.hashAll(hashes, 0, count);
        const before = bytes.slice();
        for (const [at, value] of list) bytes[at] = (before[at] ?? 0) ^ value;
        const image = bytes.slice();
        const touched = list.map(([at]) => Math.floor((at - firstByte) / pageBytes));
        const expected = [...new Set(touched)]
          .filter((page) => page >= from && page < end)
          .sort((a, b) => a - b);
        const found: number[] = [];
        let page = hasher.nextChanged(hashes, from, end);
        for (; page < end; page = hasher.nextChanged(hashes, page + 1, end)) {
          found.push(page);
          hasher.store(hashes, page);
        }
        expect(found).toEqual(expected);
        expect(hasher.nextChanged(hashes, from, end)).toBe(end);
        expect(Buffer.compare(image, bytes)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('follows a memory that grows, and refuses pages beyond it', () => {
    const memory = newMemory();
    const hasher = new InPlaceHasher(memory, secret);
    const hashes = new Uint32Array(4 * pages);
    expect(() => hasher.hashAll(hashes, 0, pages + 1)).toThrow(RangeError);
    memory.grow(1);
    hasher.hashAll(hashes, 0, 2 * pages);
    expect(hashes.slice(-2)).toEqual(hashes.slice(0, 2));
  });
});

test('a hasher needs a WebAssembly memory and a secret of 192 bytes', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  expect(InPlaceHasher.accepts(memory)).toBe(true);
  const plainBuffer = { buffer: new ArrayBuffer(4096) };
  expect(InPlaceHasher.accepts(plainBuffer)).toBe(false);
  expect(() => new InPlaceHasher(plainBuffer, new Uint8Array(192))).toThrow(TypeError);
  expect(() => new InPlaceHasher(memory, new Uint8Array(136))).toThrow(RangeError);
});
