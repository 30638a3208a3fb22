import { describe, expect, test } from 'vitest';
import { DirtyBitmap } from '../../src/memory/bitmap.js';
import { MarksTracker, RegionMarks } from '../../src/memory/marks.js';
import { CompareTracker, HashTracker } from '../../src/memory/scan-trackers.js';
import type { DirtyTracker } from '../../src/memory/tracker.js';
import { trackerConformance } from '../conformance/tracker.js';
import { testRegion } from '../reference/regions.js';

const regions = () => [
  testRegion(new Uint8Array(12 * 4096), { id: 3, maxByteLength: 20 * 4096 }),
  testRegion(new Uint8Array(70 * 4096 + 5), { id: 1 }),
];

for (const shared of [false, true]) {
  trackerConformance(`marks, ${shared ? 'shared' : 'own'} memory`, () => {
    const list = regions();
    const tracker = new MarksTracker(list, { shared });
    return {
      tracker,
      regions: list,
      write(region, offset, bytes) {
        void region.write(offset, bytes);
        tracker.mark(region.id, offset, bytes.length);
      },
    };
  });
}

for (const [name, create] of [
  ['hash', () => new HashTracker()],
  ['compare', () => new CompareTracker()],
] as [string, () => DirtyTracker][]) {
  trackerConformance(name, () => {
    return {
      tracker: create(),
      regions: regions(),
      write: (region, at, bytes) => region.write(at, bytes),
    };
  });
}

describe('marks', () => {
  test('refuse writes outside the maximum and regions they do not know', () => {
    const tracker = new MarksTracker([testRegion(new Uint8Array(5000), { id: 2 })]);
    expect(() => tracker.mark(2, 4096, 4096)).not.toThrow();
    expect(() => tracker.mark(2, 4096, 4097)).toThrow(RangeError);
    expect(() => tracker.mark(2, -1, 1)).toThrow(RangeError);
    expect(() => tracker.mark(2, 0, -1)).toThrow(RangeError);
    expect(() => tracker.mark(2, Number.NaN, 1)).toThrow(RangeError);
    expect(() => tracker.mark(1, 0, 1)).toThrow(RangeError);
    expect(() => tracker.layoutOf(1)).toThrow(RangeError);
  });

  test('of no bytes mark nothing', () => {
    const region = testRegion(new Uint8Array(8192));
    const tracker = new MarksTracker([region]);
    tracker.mark(0, 4096, 0);
    tracker.mark(0, 8192, 0);
    const bitmap = DirtyBitmap.create(2);
    tracker.take(region, bitmap);
    expect(bitmap.count()).toBe(0);
  });

  test('a region that was never added counts as changed everywhere, until it is', () => {
    const tracker = new MarksTracker([]);
    const region = testRegion(new Uint8Array(8192), { id: 8 });
    const bitmap = DirtyBitmap.create(2);
    tracker.take(region, bitmap);
    expect(bitmap.count()).toBe(2);
    bitmap.clearAll();
    tracker.add(region);
    tracker.mark(8, 4096, 1);
    tracker.take(region, bitmap);
    expect([...bitmap.runs()]).toEqual([{ first: 1, count: 1 }]);
  });

  test('follow the documented layout, so that other code can write them', () => {
    const region = testRegion(new Uint8Array(100 * 4096));
    const tracker = new MarksTracker([region], { shared: true });
    const { buffer, pageCount } = tracker.layoutOf(0);
    expect(pageCount).toBe(100);
    const words = new Int32Array(buffer);
    Atomics.or(words, 99 >> 5, 1 << (99 & 31));
    new RegionMarks(tracker.layoutOf(0)).mark(31 * 4096, 2);
    const bitmap = DirtyBitmap.create(100);
    tracker.take(region, bitmap);
    expect([...bitmap.runs()]).toEqual([
      { first: 31, count: 1 },
      { first: 99, count: 1 },
    ]);
  });

  test('refuse a layout whose buffer is too small', () => {
    const layout = { region: 0, pageCount: 65, buffer: new ArrayBuffer(8) };
    expect(() => new RegionMarks(layout)).toThrow(RangeError);
  });
});
