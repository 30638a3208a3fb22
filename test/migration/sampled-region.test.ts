import { describe, expect, it } from 'vitest';
import { memoryRegion } from '../../src/guests/memory-region.js';
import { sampleOf } from '../../src/migration/sampled-region.js';

const MiB = 2 ** 20;

/** Each mebibyte holds its own number. */
function numbered(mebibytes: number, extra = 0) {
  const bytes = new Uint8Array(mebibytes * MiB + extra);
  for (let at = 0; at < bytes.length; at += MiB) bytes.fill(at / MiB, at, at + MiB);
  return memoryRegion({ name: 'memory', id: 7, bytes: () => bytes });
}

describe('a sample of a region', () => {
  it('is the region where all of it is asked for, or where it is too small to choose', () => {
    const region = numbered(4, 100);
    expect(sampleOf(region, 1)).toBe(region);
    const small = numbered(0, 5000);
    expect(sampleOf(small, 0.01)).toBe(small);
  });

  it('consists of windows spread evenly over all of it', async () => {
    const sample = sampleOf(numbered(16, 100), 0.25);
    expect(sample).toMatchObject({
      id: 7,
      name: 'memory',
      byteLength: 4 * MiB,
      maxByteLength: 4 * MiB,
    });
    const seen: number[] = [];
    for (let at = 0; at < sample.byteLength; at += MiB) {
      const into = new Uint8Array(MiB);
      expect(await sample.read(at, into)).toBe(MiB);
      expect(into.every((byte) => byte === into[0])).toBe(true);
      seen.push(into[0] ?? -1);
    }
    expect(seen).toEqual([0, 4, 8, 12]);
  });

  it('reads across its windows, and no further than its end', async () => {
    const sample = sampleOf(numbered(8), 0.5);
    const into = new Uint8Array(2 * MiB);
    expect(await sample.read(MiB - 10, into)).toBe(2 * MiB);
    expect([into[9], into[10], into[10 + MiB]]).toEqual([0, 2, 4]);
    expect(await sample.read(4 * MiB - 5, into)).toBe(5);
    expect(await sample.read(4 * MiB, into)).toBe(0);
  });

  it('is at least one window and cannot be written', () => {
    const sample = sampleOf(numbered(8), 0.0001);
    expect(sample.byteLength).toBe(MiB);
    expect(() => sample.write(0, new Uint8Array(1))).toThrow(TypeError);
    expect(() => sample.grow(9 * MiB)).toThrow(TypeError);
  });
});
