import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import { checksum } from '../../src/core/checksum.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { MarksTracker } from '../../src/memory/marks.js';
import type { Region } from '../../src/memory/region.js';
import { CompareTracker, HashTracker } from '../../src/memory/scan-trackers.js';
import type { DirtyTracker } from '../../src/memory/tracker.js';
import { CrewEngine, type CrewOptions } from '../../src/migration/crew-engine.js';
import type { PageEngine } from '../../src/migration/page-engine.js';
import { copyFrame, newCapture, type PlainFrame, secret, sent } from '../codec/ends.js';
import { crewThreads } from '../reference/crew-threads.js';
import { Random, scribble } from '../reference/random.js';
import { type TestRegion, testRegion } from '../reference/regions.js';

const pageBytes = 4096;

function crew(
  regions: readonly Region[],
  tracker: DirtyTracker,
  options: Partial<CrewOptions> = {},
): CrewEngine {
  return new CrewEngine(regions, tracker, {
    secret,
    workers: 2,
    start: crewThreads(nextTurn),
    meter: { mayCarry: undefined },
    shadowBytes: 64 << 20,
    baseCacheBytes: 0,
    channels: 1,
    compression: 'never',
    lz4: false,
    sums: true,
    ceiling: Number.POSITIVE_INFINITY,
    ...options,
  });
}

function sharedRegion(id: number, pages: number, random: Random): TestRegion {
  const before = 3 * pageBytes;
  const shared = new SharedArrayBuffer(before + pages * pageBytes - 7);
  const region = testRegion(new Uint8Array(shared, before), {
    id,
    maxByteLength: (pages + 1500) * pageBytes,
  });
  for (let page = 0; page < pages; page += 1 + random.below(3)) {
    scribble(random, region.bytes.subarray(page * pageBytes, (page + 1) * pageBytes));
  }
  region.grow = (byteLength) => {
    const grown = new Uint8Array(new SharedArrayBuffer(byteLength));
    grown.set(region.bytes);
    region.bytes = grown;
  };
  return region;
}

const order = { maxPayloadBytes: 1 << 19, maxPages: 64, paused: false };

/** What was sent, as "region:page kind", in no order. */
async function sendAll(engine: PageEngine): Promise<string[]> {
  const frames: PlainFrame[] = [];
  for (let isOver = false; !isOver; ) {
    const { frame, exhausted } = await engine.capture(order);
    if (frame !== undefined) frames.push(copyFrame(frame));
    frame?.release();
    isOver = exhausted;
  }
  return sent(frames).sort();
}

describe('a crew', () => {
  it('makes the destination equal, whatever is marked, repaired, taken back, grown, and comes and goes meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 2 }),
        fc.constantFrom('marks' as const, 'hash' as const, 'compare' as const),
        fc.constantFrom(0, 4 << 20, 64 << 20),
        fc.constantFrom('never' as const, 'always' as const),
        fc.integer(),
        async (workers, channels, kind, shadowBytes, compression, seed) => {
          const random = new Random(seed);
          const source = [sharedRegion(2, 1700, random), sharedRegion(7, 300, random)];
          const destination = new Map(
            source.map(({ id, bytes, maxByteLength }) => [
              id,
              testRegion(new Uint8Array(bytes.length), { id, maxByteLength, fresh: true }),
            ]),
          );
          const marks = new MarksTracker(source);
          const scanning = kind === 'hash' ? new HashTracker() : new CompareTracker();
          const engine = crew(source, kind === 'marks' ? marks : scanning, {
            workers,
            channels,
            shadowBytes,
            compression,
            lz4: true,
            baseCacheBytes: 100 * 4104,
            start: crewThreads(() => (random.below(2) === 0 ? nextTurn() : undefined)),
          });
          const apply = new ApplyEngine([...destination.values()], { secret, lz4: true });
          for (const { id } of source) engine.setBase(id, 'zero');

          const copy = async (mayStop: boolean): Promise<void> => {
            for (const open = new Set(Array(channels).keys()); open.size > 0; ) {
              const channel = [...open][random.below(open.size)] ?? 0;
              const { frame, exhausted } = await engine.capture({
                channel,
                maxPayloadBytes: 8192 + random.below(200_000),
                maxPages: 1 + random.below(600),
                paused: random.below(2) === 0,
              });
              if (exhausted) open.delete(channel);
              if (frame !== undefined && mayStop && random.below(20) === 0) {
                engine.takeBack(frame);
                return;
              }
              if (frame !== undefined) {
                const body = frame.bytes.slice(40);
                expect(frame.checksum).toBe(checksum(body));
                await apply.apply(body, frame.tableBytes, frame.rawBytes);
                frame.release();
              }
              if (mayStop && random.below(40) === 0) return;
              if (mayStop && random.below(10) === 0) engine.repair(2, [random.below(1700)]);
            }
          };

          for (let round = 0; round < 6; round++) {
            for (const { id, bytes } of source) {
              for (let write = 0; write < 20; write++) {
                const at = random.below(bytes.length - 64);
                bytes.set(random.bytes(1 + random.below(63)), at);
                marks.mark(id, at, 64);
              }
            }
            const [first] = source;
            if (round === 2 && first !== undefined) {
              first.grow(first.bytes.length + 1000 * pageBytes);
              destination.get(2)?.grow(first.bytes.length);
            }
            if (round === 3) {
              source[1] = sharedRegion(5, 600, random);
              marks.add(source[1]);
              const { bytes, maxByteLength } = source[1];
              const there = testRegion(new Uint8Array(bytes.length), { id: 5, maxByteLength });
              destination.delete(7);
              destination.set(5, Object.assign(there, { fresh: true }));
              apply.removeRegion(7);
            }
            for (const { id } of await engine.syncRegions(source)) {
              const there = destination.get(id);
              if (there !== undefined) apply.changeRegion(there);
            }
            await (round === 0 ? engine.markAll() : engine.takeDirty());
            if (kind === 'marks') {
              const runs = [...engine.dirtyRuns()].reduce((sum, { count }) => sum + count, 0);
              expect(runs).toBe(engine.dirtyPages);
            }
            await copy(round < 5);
          }
          expect(engine.dirtyPages).toBe(0);
          await engine.settleAudit();
          expect(engine.auditPagesLeft).toBe(0);
          for (const { id, bytes } of source) {
            const there = destination.get(id)?.bytes ?? new Uint8Array();
            expect(Buffer.compare(bytes, there)).toBe(0);
            expect(await engine.leaves(id)).toEqual(apply.leaves(id));
            const last = apply.leaves(id).length - 1;
            expect(await engine.pageHashes(id, last)).toEqual(apply.pageHashes(id, last));
            expect(() => engine.pageHashes(id, last + 1)).toThrow(RangeError);
          }
          expect(await engine.roots()).toEqual(apply.roots());
          await engine.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([1, 2, 3])(
    'of %d sends what one engine alone sends, each page as the same kind',
    async (workers) => {
      const random = new Random(workers);
      const regions = [sharedRegion(2, 1700, random), sharedRegion(7, 300, random)];
      const marks = [new MarksTracker(regions), new MarksTracker(regions)] as const;
      const engine = crew(regions, marks[0], { workers });
      const alone = newCapture(regions, marks[1]);
      for (const { id } of regions) {
        engine.setBase(id, 'zero');
        alone.setBase(id, 'zero');
      }
      for (let round = 0; round < 4; round++) {
        if (round === 0) alone.markAll();
        else alone.takeDirty();
        await (round === 0 ? engine.markAll() : engine.takeDirty());
        const pages = await sendAll(engine);
        expect(pages.length).toBeGreaterThan(50);
        expect(pages).toEqual(await sendAll(alone));
        for (let write = 0; write < 100; write++) {
          const { id, bytes } = regions[write % 2] ?? sharedRegion(0, 1, random);
          const page = random.below(290);
          scribble(random, bytes.subarray(page * pageBytes, (page + 1) * pageBytes));
          for (const each of marks) each.mark(id, page * pageBytes, pageBytes);
        }
      }
    },
  );

  it('finds what changed in a shared WebAssembly memory, and grows with it', async () => {
    const memory = new WebAssembly.Memory({ initial: 80, maximum: 160, shared: true });
    const { regions, tracker } = bufferGuest(memory, { maxByteLength: 160 * 65_536 });
    const engine = crew(regions, tracker);
    engine.setBase(0, 'zero');
    await engine.markAll();
    expect(await sendAll(engine)).toEqual([]);
    memory.grow(80);
    const pages = [0, 1279, 1280, 2559];
    for (const page of pages) new Uint8Array(memory.buffer)[page * pageBytes] = 1;
    expect(await engine.syncRegions(regions)).toMatchObject([{ byteLength: 160 * 65_536 }]);
    await engine.takeDirty();
    const found = await sendAll(engine);
    expect(found).toEqual(pages.map((page) => `0:${page} delta`).sort());
  });

  it.each([1, 2, 3])(
    'of %d takes what came under the id of a region for another one',
    async (workers) => {
      const before = testRegion(new Uint8Array(new SharedArrayBuffer(1700 * pageBytes)), { id: 5 });
      const marks = new MarksTracker([before]);
      const engine = crew([before], marks, { workers });
      engine.setBase(5, 'zero');
      await engine.markAll();
      expect(await sendAll(engine)).toEqual([]);
      // Twice as long as the other could have become.
      const after = testRegion(new Uint8Array(new SharedArrayBuffer(3400 * pageBytes)), { id: 5 });
      const pages = [0, 800, 1699, 1700, 3399];
      for (const page of pages) after.bytes[page * pageBytes] = 1;
      marks.add(after);
      expect(await engine.syncRegions([after])).toMatchObject([
        { id: 5, byteLength: -1 },
        { id: 5, byteLength: 3400 * pageBytes },
      ]);
      await engine.takeDirty();
      expect(await sendAll(engine)).toEqual(pages.map((page) => `5:${page} delta`).sort());
      await engine.settleAudit();
    },
  );

  it('says which page of which region nobody marked', async () => {
    const region = sharedRegion(3, 2000, new Random(1));
    const engine = crew([region], new MarksTracker([region]));
    await engine.markAll();
    await sendAll(engine);
    region.bytes[1800 * pageBytes] = 1 ^ (region.bytes[1800 * pageBytes] ?? 0);
    await engine.takeDirty();
    await expect(engine.settleAudit()).rejects.toMatchObject({
      code: 'ERR_MISSED_WRITE',
      message: expect.stringContaining('page 1800 of region 3 '),
    });
  });

  it('finds what others wrote than its tracker watches, when it is asked to', async () => {
    const region = sharedRegion(3, 2000, new Random(1));
    const marks = new MarksTracker([region]);
    const engine = crew([region], {
      exact: true,
      start: () => marks.start(),
      take: (of, into) => marks.take(of, into),
      unseen: ({ id }) => id === 3,
      stop: () => {},
    });
    await engine.markAll();
    await sendAll(engine);
    region.bytes[1800 * pageBytes] = 1 ^ (region.bytes[1800 * pageBytes] ?? 0);
    await engine.takeDirty();
    expect(await sendAll(engine)).toEqual([]);
    await engine.takeDirty(true);
    expect(await sendAll(engine)).toEqual(['3:1800 delta']);
    await engine.settleAudit();
  });

  it('is asked for no frame while nothing is dirty', async () => {
    const region = sharedRegion(3, 2000, new Random(1));
    const marks = new MarksTracker([region]);
    const start = crewThreads(nextTurn);
    const engine = crew([region], marks, { start });
    await engine.markAll();
    await sendAll(engine);
    const before = start.captures();
    await engine.takeDirty();
    await sendAll(engine);
    expect(start.captures()).toBe(before);
    marks.mark(3, 1800 * pageBytes, 1);
    await engine.takeDirty();
    await sendAll(engine);
    expect(start.captures()).toBeGreaterThan(before);
  });

  it('that loses a member fails with a code, whatever is called', async () => {
    const start = crewThreads(nextTurn);
    const engine = crew([sharedRegion(3, 2000, new Random(1))], new CompareTracker(), { start });
    await engine.markAll();
    const next = engine.capture(order);
    start.lose('it ended with exit code 1');
    const lost = {
      code: 'ERR_GUEST',
      message: 'a capture worker was lost: it ended with exit code 1',
    };
    await expect(next).rejects.toMatchObject(lost);
    await expect(engine.capture(order)).rejects.toMatchObject(lost);
    await expect(engine.takeDirty()).rejects.toMatchObject(lost);
    await expect(engine.roots()).rejects.toMatchObject(lost);
    await engine.close();
  });

  it('fails with what a member fails with', async () => {
    const region = { ...sharedRegion(3, 2, new Random(1)), maxByteLength: 2 ** 43 };
    const engine = crew([region], new CompareTracker());
    await expect(engine.markAll()).rejects.toMatchObject({ code: 'ERR_NO_CAPACITY' });
  });
});
