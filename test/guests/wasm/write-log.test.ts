import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryRegion } from '../../../src/guests/memory-region.js';
import { WriteLog } from '../../../src/guests/wasm/write-log.js';
import { DirtyBitmap } from '../../../src/memory/bitmap.js';

const pages = 160;

function taken(log: WriteLog, byteLength: number): number[] {
  const bytes = new Uint8Array(byteLength);
  const bitmap = DirtyBitmap.create(pages);
  log.moveTo(memoryRegion({ name: 'memory', bytes: () => bytes }), bitmap);
  return Array.from({ length: pages }, (_, page) => page).filter((page) => bitmap.test(page));
}

describe('a write log', () => {
  it('names each marked page, and the next one, once', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(pages - 1)), fc.nat(pages), (marked, length) => {
        const map = new Uint8Array(pages + 7);
        for (const page of marked) map[page] = 1;
        const log = new WriteLog(() => [map]);
        const expected = new Set(
          marked
            .filter((page) => page < length)
            .flatMap((page) => [page, page + 1])
            .filter((page) => page < length),
        );
        expect(taken(log, length * 4096)).toEqual([...expected].sort((a, b) => a - b));
        expect(taken(log, length * 4096)).toEqual([]);
      }),
    );
  });

  it('brings the marks of several threads together, and forgets them all', () => {
    const maps = [0, 1, 2].map(() => new Uint8Array(new SharedArrayBuffer(pages)));
    const log = new WriteLog(() => maps);
    for (const [at, map] of maps.entries()) map[10 * at + 7] = 1;
    maps[2]?.fill(1, 50, 52);
    expect(taken(log, pages * 4096)).toEqual([7, 8, 17, 18, 27, 28, 50, 51, 52]);
    expect(taken(log, pages * 4096)).toEqual([]);
    for (const map of maps) map.fill(1);
    log.clear();
    expect(taken(log, pages * 4096)).toEqual([]);
  });

  it('notes what the host wrote, to its last byte', () => {
    const map = new Uint8Array(pages);
    const log = new WriteLog(() => [map]);
    log.mark(4095, 2);
    log.mark(8192, 0);
    log.mark(10 * 4096, 4096);
    expect([...map.keys()].filter((page) => map[page] !== 0)).toEqual([0, 1, 10]);
    log.clear();
    expect(map.every((mark) => mark === 0)).toBe(true);
  });
});
