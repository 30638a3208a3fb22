import { describe, expect, test } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import { CaptureEngine } from '../../src/codec/capture.js';
import type { CaptureOptions } from '../../src/codec/capture-options.js';
import type { CapturedFrame } from '../../src/codec/frame-slots.js';
import type { Applied } from '../../src/codec/frame-writer.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { PAGE_BYTES } from '../../src/memory/pages.js';
import { CompareTracker, HashTracker } from '../../src/memory/scan-trackers.js';
import { Random, scribble } from '../reference/random.js';
import { type TestRegion, testRegion } from '../reference/regions.js';
import { naiveApply } from '../reference/run-table.js';

const secret: Uint8Array = new Random(77).bytes(192);
const budget = { maxPayloadBytes: 64 << 10, maxPages: 1000 };

let packs = 0;

interface Ends {
  readonly source: TestRegion[];
  readonly capture: CaptureEngine;
  readonly marks: MarksTracker | undefined;
  readonly destination: TestRegion[];
  readonly apply: ApplyEngine;
  readonly twin: Map<number, Uint8Array>;
}

/** Captures everything dirty; each frame is carried out by the destination and by the naive twin. */
async function flush({ capture, apply, twin }: Ends): Promise<void> {
  for (;;) {
    const { frame, exhausted } = await capture.capture(budget);
    if (frame !== undefined) {
      const body = frame.bytes.slice(40);
      expect(body.length).toBe(frame.bodyBytes);
      naiveApply(twin, { body, tableBytes: frame.tableBytes });
      const applied = await applyPacked(capture, apply, frame);
      expect(applied.pages).toBe(frame.pageCount);
      frame.release();
    }
    if (exhausted) return;
  }
}

/** Every second frame travels compressed. */
async function applyPacked(
  capture: CaptureEngine,
  apply: ApplyEngine,
  frame: CapturedFrame,
): Promise<Applied> {
  packs += 1;
  const packed = packs % 2 === 0 ? frame : capture.compressor?.compress(frame);
  const { bytes, tableBytes, rawBytes } = packed ?? frame;
  return apply.apply(bytes.slice(40), tableBytes, rawBytes);
}

function expectEqual({ source, destination, capture, apply, twin }: Ends): void {
  for (const [index, region] of source.entries()) {
    expect(Buffer.compare(region.bytes, twin.get(region.id) ?? new Uint8Array())).toBe(0);
    expect(Buffer.compare(region.bytes, destination[index]?.bytes ?? new Uint8Array())).toBe(0);
  }
  expect(apply.roots()).toEqual(capture.roots());
  for (const { id } of source) {
    expect(apply.leaves(id)).toEqual(capture.leaves(id));
    capture.leaves(id).forEach((_, leaf) => {
      expect(apply.pageHashes(id, leaf)).toEqual(capture.pageHashes(id, leaf));
    });
  }
}

const modes: [string, Partial<CaptureOptions>][] = [
  ['with a full shadow', { shadowBytes: 64 << 20 }],
  ['without shadow', {}],
  ['with a base cache', { baseCacheBytes: 200 * 4104 }],
  ['with half a shadow and a cache', { shadowBytes: 1 << 20, baseCacheBytes: 64 * 4104 }],
];
const trackers = ['marks', 'hash', 'compare'] as const;
const cases = modes.flatMap(([mode, options]) =>
  trackers.flatMap((tracker) =>
    (['memory', 'file', 'calls'] as const).map((as) => ({ mode, options, tracker, as })),
  ),
);

describe.each(cases)('$tracker of $as regions $mode', ({ options, tracker, as }) => {
  function makeEnds(random: Random, base: 'zero' | 'unknown'): Ends {
    const sizes = [
      { id: 9, byteLength: 20 * PAGE_BYTES + 123 },
      { id: 4, byteLength: 530 * PAGE_BYTES - 1 },
      { id: 5, byteLength: 0 },
    ];
    const source = sizes.map(({ id, byteLength }) =>
      testRegion(new Uint8Array(byteLength), { id, as, maxByteLength: byteLength + (1 << 20) }),
    );
    const destination = source.map(({ id, byteLength, maxByteLength }) => {
      const bytes = new Uint8Array(byteLength);
      if (base === 'unknown') bytes.set(random.bytes(byteLength));
      return testRegion(bytes, { id, as, maxByteLength, fresh: base === 'zero' });
    });
    const marks = tracker === 'marks' ? new MarksTracker(source) : undefined;
    const scan = tracker === 'hash' ? new HashTracker() : new CompareTracker();
    const capture = new CaptureEngine(source, marks ?? scan, {
      secret,
      shadowBytes: 0,
      baseCacheBytes: 0,
      lz4: true,
      ...options,
    });
    const apply = new ApplyEngine(destination, { secret, lz4: true });
    expect(apply.bases()).toEqual(sizes.map(() => base));
    for (const { id } of sizes) capture.setBase(id, base);
    const twin = new Map(destination.map(({ id, bytes }) => [id, bytes.slice()]));
    return { source, capture, marks, destination, apply, twin };
  }

  function write({ source, marks }: Ends, random: Random, writes: number): void {
    for (let index = 0; index < writes; index++) {
      const region = source[random.below(source.length)];
      if (region === undefined || region.byteLength === 0) continue;
      const page = random.below(Math.ceil(region.byteLength / PAGE_BYTES));
      const bytes = region.bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      scribble(random, bytes);
      marks?.mark(region.id, page * PAGE_BYTES, bytes.length);
    }
  }

  test.each(['zero', 'unknown'] as const)(
    'rounds from a base that is %s end with equal memories and hashes',
    async (base) => {
      for (let seed = 1; seed <= 2; seed++) {
        const random = new Random(seed);
        const ends = makeEnds(random, base);
        write(ends, random, 300);
        for (let round = 0; round < 6; round++) {
          ends.capture.takeDirty();
          await flush(ends);
          expect(ends.capture.dirtyPages).toBe(0);
          expectEqual(ends);
          write(ends, random, 60);
          if (round === 3) {
            for (const [index, region] of ends.source.entries()) {
              const byteLength = region.byteLength + random.below(1 << 18);
              region.grow(byteLength);
              ends.destination[index]?.grow(byteLength);
              const twin = new Uint8Array(byteLength);
              twin.set(ends.twin.get(region.id) ?? []);
              ends.twin.set(region.id, twin);
              write(ends, random, 20);
            }
            for (const change of ends.capture.syncRegions(ends.source)) {
              const grown = ends.destination.find(({ id }) => id === change.id);
              if (grown !== undefined) ends.apply.changeRegion(grown);
            }
          }
        }
      }
    },
  );
});
