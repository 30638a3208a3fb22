import { beforeEach, describe, expect, test } from 'vitest';
import { DirtyBitmap } from '../../src/memory/bitmap.js';
import { PAGE_BYTES, pageCountOf } from '../../src/memory/pages.js';
import type { Region } from '../../src/memory/region.js';
import type { DirtyTracker } from '../../src/memory/tracker.js';

export interface TrackedMemory {
  readonly tracker: DirtyTracker;
  /** At least two regions of at least ten pages each, one with a partial last page. */
  readonly regions: readonly Region[];
  /** Writes so that the tracker can know: after the call the bytes are stored and noted. */
  write(region: Region, offset: number, bytes: Uint8Array): void | Promise<void>;
}

/** What every dirty tracker must hold. */
export function trackerConformance(name: string, create: () => TrackedMemory): void {
  describe(`tracker ${name}`, () => {
    let memory: TrackedMemory;

    beforeEach(() => {
      memory = create();
      memory.tracker.start();
    });

    function take(region: Region): Set<number> {
      const bitmap = DirtyBitmap.create(pageCountOf(region.maxByteLength));
      memory.tracker.take(region, bitmap);
      const pages = new Set<number>();
      for (const { first, count } of bitmap.runs()) {
        for (let page = first; page < first + count; page++) pages.add(page);
      }
      return pages;
    }

    const written = Uint8Array.of(1, 2, 3, 4);
    const of = (index: number): Region => {
      const region = memory.regions[index];
      if (region === undefined) throw new Error(`the suite needs region ${index}`);
      return region;
    };

    test('names a page that was written', async () => {
      await memory.write(of(0), 5 * PAGE_BYTES + 7, written);
      expect(take(of(0)).has(5)).toBe(true);
    });

    test('names both pages that a write crosses', async () => {
      await memory.write(of(1), 3 * PAGE_BYTES - 2, written);
      const pages = take(of(1));
      expect(pages.has(2) && pages.has(3)).toBe(true);
    });

    test('names the last page, partial or not, in every region', async () => {
      for (const region of memory.regions) {
        await memory.write(region, region.byteLength - 4, written);
        expect(take(region).has(pageCountOf(region.byteLength) - 1)).toBe(true);
      }
    });

    test('names a page again that is written again after it was taken', async () => {
      await memory.write(of(0), 0, written);
      take(of(0));
      await memory.write(of(0), 8, written);
      expect(take(of(0)).has(0)).toBe(true);
    });

    test('adds to what a bitmap holds already', () => {
      const bitmap = DirtyBitmap.create(pageCountOf(of(0).maxByteLength));
      bitmap.set(9);
      memory.tracker.take(of(0), bitmap);
      expect(bitmap.test(9)).toBe(true);
    });

    test('if exact, names nothing but what was written, once, in its region', async () => {
      if (!memory.tracker.exact) return;
      await memory.write(of(0), 4 * PAGE_BYTES, written);
      expect(take(of(1)).size).toBe(0);
      expect([...take(of(0))]).toEqual([4]);
      expect(take(of(0)).size).toBe(0);
    });

    test('can be stopped and started again', async () => {
      memory.tracker.stop();
      memory.tracker.start();
      await memory.write(of(1), 6 * PAGE_BYTES, written);
      expect(take(of(1)).has(6)).toBe(true);
    });
  });
}
