import { describe, expect, it } from 'vitest';
import { deltaRound } from '../../bench/delta-engine.js';
import { changedPages, qemu } from '../../bench/delta-peers.js';
import { Random } from '../reference/random.js';

const pageBytes = 4096;

describe('the round of the bytes bench', () => {
  it.each([{ tracker: 'hash' }, { tracker: 'marks' }, { tracker: 'hash', lz4: true }] as const)(
    'counts whole frames that bring the other end to the second state (%o)',
    async (how) => {
      const random = new Random(1);
      const before = random.bytes(20 * pageBytes);
      const after = before.slice();
      after.set(random.bytes(1000), 3 * pageBytes);
      const { bytes, pages } = await deltaRound(before, after, how);
      expect(pages).toBe(1);
      expect(bytes).toBeGreaterThan(40 + 1000);
      expect(bytes).toBeLessThan(40 + 1000 + 40);
    },
  );

  it('compresses frames where it is told to', async () => {
    const before = new Uint8Array(20 * pageBytes);
    const after = before.slice();
    for (let at = 0; at < 10 * pageBytes; at += 8) after[at] = at % 7;
    const plain = await deltaRound(before, after, { tracker: 'marks' });
    const packed = await deltaRound(before, after, { tracker: 'marks', lz4: true });
    expect(packed.pages).toBe(plain.pages);
    expect(packed.bytes).toBeLessThan(plain.bytes / 2);
  });

  it.each([20, 9000])('knows content that moved, among %i pages', async (pages) => {
    const random = new Random(1);
    const before = new Uint8Array(pages * pageBytes);
    before.set(random.bytes(20 * pageBytes));
    const after = before.slice();
    after.copyWithin(3 * pageBytes, 10 * pageBytes + 5, 11 * pageBytes + 5);
    expect((await deltaRound(before, after, { tracker: 'hash' })).bytes).toBeLessThan(100);
  });
});

describe("a round in QEMU's stream", () => {
  const before = new Random(1).bytes(4 * pageBytes);
  const frame = 1 + 'pc.ram'.length + 8;

  it('has nothing but its frame where nothing changed', () => {
    expect(qemu(before, before)).toBe(frame);
    expect(changedPages(before, before)).toEqual([]);
  });

  it('says a byte, a zero page and a wholly new one as QEMU does', () => {
    const after = before.slice();
    after[100] = ~(after[100] ?? 0);
    after.fill(0, pageBytes, 2 * pageBytes);
    after.set(new Random(2).bytes(pageBytes), 2 * pageBytes);
    // An offset each; flag, length, and a delta of two lengths and a byte; a byte; the page.
    expect(qemu(before, after)).toBe(frame + (8 + 3 + 3) + (8 + 1) + (8 + pageBytes));
    expect(changedPages(before, after)).toEqual([0, pageBytes, 2 * pageBytes]);
  });
});
