import { randomBytes } from 'node:crypto';
import { xxh3 } from '@node-rs/xxhash';
import { expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { checksum, low32 } from '../../src/core/checksum.js';

test('bytes inside and outside an arena have the same checksum, XXH3-64', () => {
  const arena = new Arena(700_000);
  for (const length of [0, 1, 28, 240, 241, 4096, 640 * 1024]) {
    const outside = new Uint8Array(randomBytes(length));
    const inside = arena.bytes(arena.alloc(0), length);
    inside.set(outside);
    expect(checksum(outside)).toBe(xxh3.xxh64(outside));
    expect(checksum(inside, arena)).toBe(xxh3.xxh64(outside));
    expect(checksum(outside, arena)).toBe(xxh3.xxh64(outside));
  }
});

test('an input longer than any before is hashed whole', () => {
  const bytes = randomBytes(3_000_001);
  expect(checksum(bytes)).toBe(xxh3.xxh64(bytes));
});

test('low32 is the lower half of the checksum', () => {
  const bytes = randomBytes(28);
  expect(low32(bytes)).toBe(Number(checksum(bytes) & 0xffff_ffffn));
});
