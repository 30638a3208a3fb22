import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unpackLz4 } from '../../src/core/lz4-block.js';
import { naiveLz4 } from '../reference/lz4.js';
import { loadLz4Wasm } from '../reference/lz4-wasm.js';

const { shortestLz4 } = await import(resolve('assembly/shortest-lz4.mjs'));
const judge = loadLz4Wasm();

/** Bytes that were there before, near and far, and long runs of one byte. */
const repetitive = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(200)), { maxLength: 12 })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array(times).fill(bytes))));
const texts = fc.oneof(repetitive, fc.uint8Array({ maxLength: 1000 }));

test('what somebody else packs is unpacked as it was', () => {
  fc.assert(
    fc.property(texts, (bytes) => {
      const unpacked = unpackLz4(judge.compress(bytes), bytes.length);
      expect(Buffer.compare(unpacked, bytes)).toBe(0);
    }),
  );
});

test('what the build packs is a valid block of the same bytes', () => {
  fc.assert(
    fc.property(texts, (bytes) => {
      const block: Uint8Array = shortestLz4(bytes);
      expect(Buffer.compare(naiveLz4(block, bytes.length) ?? block, bytes)).toBe(0);
      expect(Buffer.compare(judge.decompress(block, bytes.length), bytes)).toBe(0);
      expect(Buffer.compare(unpackLz4(block, bytes.length), bytes)).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('what the build packs is shorter than what is packed in a hurry', () => {
  const bytes = readFileSync('docs/protocol.md').subarray(0, 30_000);
  expect(shortestLz4(bytes).length).toBeLessThan(0.9 * judge.compress(bytes).length);
});
