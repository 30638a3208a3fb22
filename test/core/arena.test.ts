import { describe, expect, test } from 'vitest';
import { Arena, maxArenaBytes } from '../../src/core/arena.js';
import { builds } from '../reference/builds.js';

describe.each(builds)('an arena, $build memory', ({ shared }) => {
  test('hands out aligned, zeroed areas that do not overlap, and never address 0', () => {
    const arena = new Arena(100_000, { shared });
    let end = 1;
    for (const [bytes, align] of [
      [1, 1],
      [7, 64],
      [4096, 4096],
      [0, 8],
      [8, 8],
    ] as const) {
      const address = arena.alloc(bytes, align);
      expect(address % align).toBe(0);
      expect(address).toBeGreaterThanOrEqual(end);
      expect(arena.bytes(address, bytes).every((byte) => byte === 0)).toBe(true);
      end = address + bytes;
    }
    expect(arena.alloc(1) % 64).toBe(0);
  });

  test('has room for what it was made for, and refuses what is more by a code', () => {
    const arena = new Arena(65_536, { shared });
    arena.alloc(65_536);
    expect(() => arena.alloc(arena.freeBytes + 1)).toThrow(
      expect.objectContaining({ code: 'ERR_NO_CAPACITY' }),
    );
    arena.alloc(arena.freeBytes, 1);
    expect(arena.freeBytes).toBe(0);
    arena.alloc(0, 1);
  });

  test('shows one memory through all its views', () => {
    const arena = new Arena(1000, { shared });
    const address = arena.alloc(16);
    arena.u64(address, 2).set([0x0102_0304_0506_0708n, 1n]);
    expect([...arena.bytes(address, 9)]).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 1]);
    expect([...arena.u32(address, 3)]).toEqual([0x0506_0708, 0x0102_0304, 1]);
  });

  test('reaches addresses above 2 GiB', () => {
    const arena = new Arena(maxArenaBytes, { shared });
    arena.alloc(3 * 2 ** 30);
    const page = arena.alloc(4096);
    const copy = arena.alloc(4096);
    const bitmap = arena.alloc(8);
    expect(page).toBeGreaterThan(2 ** 31);
    expect(arena.kernels.isZero(page, 4096)).toBe(1);
    arena.bytes(page, 4096).fill(1);
    expect(arena.kernels.isZero(page, 4096)).toBe(0);
    expect(arena.kernels.scanPages(page, copy, 1, bitmap)).toBe(1);
    expect(arena.kernels.bitmapTest(bitmap, 0)).toBe(1);
  });
});

test('an arena beyond what one memory can hold is refused by a code, nonsense by RangeError', () => {
  expect(() => new Arena(maxArenaBytes + 1)).toThrow(
    expect.objectContaining({ code: 'ERR_NO_CAPACITY' }),
  );
  for (const bytes of [-1, 0.5, Number.NaN]) {
    expect(() => new Arena(bytes)).toThrow(RangeError);
    expect(() => new Arena(1).alloc(bytes)).toThrow(RangeError);
  }
});
