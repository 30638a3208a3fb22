import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';

const pageBytes = 4096;

/**
 * Deltas as QEMU 7.2 sent them in a live migration with xbzrle on (pc-i440fx, 4 MiB, a bare-metal guest that rewrites its pages):
 * zlib { u16 delta length, delta, the page before it }*, little-endian.
 */
function recordedDeltas(): { delta: Uint8Array; previous: Uint8Array }[] {
  const file = new URL('../fixtures/qemu-xbzrle.bin', import.meta.url);
  const bytes = inflateSync(readFileSync(file));
  const records: { delta: Uint8Array; previous: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const deltaEnd = at + 2 + bytes.readUInt16LE(at);
    const delta = bytes.subarray(at + 2, deltaEnd);
    at = deltaEnd + pageBytes;
    records.push({ delta, previous: bytes.subarray(deltaEnd, at) });
  }
  return records;
}

describe.each(builds)("QEMU's own deltas, $build build", ({ shared }) => {
  test('decode, and are what our encoder makes of the same two pages', () => {
    const arena = new Arena(4 * pageBytes, { shared });
    const { kernels } = arena;
    const before = arena.alloc(pageBytes);
    const after = arena.alloc(pageBytes);
    const area = arena.alloc(pageBytes);
    const records = recordedDeltas();
    expect(records.length).toBe(27);
    for (const { delta, previous } of records) {
      arena.bytes(before, pageBytes).set(previous);
      arena.bytes(after, pageBytes).set(previous);
      arena.bytes(area, delta.length).set(delta);
      expect(kernels.xbzrleDecode(area, delta.length, after, pageBytes)).toBeGreaterThan(0);
      arena.bytes(area, pageBytes).fill(0);
      const length = kernels.xbzrleEncode(before, after, pageBytes, area, pageBytes);
      expect(Buffer.compare(arena.bytes(area, length), delta)).toBe(0);
    }
  });
});
