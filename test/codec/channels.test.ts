import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CaptureEngine } from '../../src/codec/capture.js';
import { runsOfTable } from '../../src/codec/run-table.js';
import { HashTracker } from '../../src/memory/scan-trackers.js';
import { testRegion } from '../reference/regions.js';
import { secret } from './ends.js';

function engineOf(pages: readonly number[], channels: number): CaptureEngine {
  const regions = pages.map((count, id) =>
    testRegion(new Uint8Array(count * 4096).fill(id + 1), { id }),
  );
  return new CaptureEngine(regions, new HashTracker(), {
    secret,
    shadowBytes: 0,
    baseCacheBytes: 0,
    channels,
  });
}

/** Region and page of what one capture for `channel` sends. */
async function send(
  engine: CaptureEngine,
  channel: number,
  maxPages: number,
): Promise<{ readonly pages: string[]; readonly exhausted: boolean }> {
  const step = await engine.capture({ channel, maxPages, maxPayloadBytes: 64 << 10 });
  const pages: string[] = [];
  for (const { region, first, count } of runsOfTable(step.frame?.copyTable() ?? new Uint8Array())) {
    for (let page = first; page < first + count; page++) pages.push(`${region}:${page}`);
  }
  step.frame?.release();
  return { pages, exhausted: step.exhausted };
}

/** What `channel` sends until there is nothing left for it. */
async function sweep(engine: CaptureEngine, channel: number, maxPages: number): Promise<string[]> {
  const pages: string[] = [];
  for (let exhausted = false; !exhausted; ) {
    const step = await send(engine, channel, maxPages);
    exhausted = step.exhausted;
    pages.push(...step.pages);
  }
  return pages;
}

const sizes = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 4 });
/** Which channel has room next, as a link decides it. */
const turns = fc.array(fc.nat(4), { minLength: 1, maxLength: 20 });

function allPages(pages: readonly number[]): string[] {
  return pages.flatMap((count, region) =>
    Array.from({ length: count }, (_, page) => `${region}:${page}`),
  );
}

describe('pages of several channels', () => {
  test('go on whichever has room, each once, and none is left', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 300 }),
        turns,
        async (pages, channels, maxPages, order) => {
          const engine = engineOf(pages, channels);
          const unswept = new Set(Array.from({ length: channels }, (_, channel) => channel));
          const sent: string[] = [];
          for (let turn = 0; unswept.size > 0; turn++) {
            const channel = (order[turn % order.length] ?? 0) % channels;
            const next = unswept.has(channel) ? channel : Math.min(...unswept);
            const step = await send(engine, next, maxPages);
            if (step.exhausted) unswept.delete(next);
            sent.push(...step.pages);
          }
          expect([...sent].sort()).toEqual(allPages(pages).sort());
          expect(engine.dirtyPages).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('stay with the channel that sent them until they are freed', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 1, max: 300 }),
        async (pages, channels, maxPages) => {
          const engine = engineOf(pages, channels);
          const owners = new Map<string, number>();
          for (let turn = 0; engine.dirtyPages > 0; turn++) {
            const channel = turn % channels;
            const step = await send(engine, channel, maxPages);
            for (const page of step.pages) owners.set(page, channel);
          }
          for (const [id, count] of pages.entries()) {
            engine.repair(
              id,
              Array.from({ length: count }, (_, page) => page),
            );
          }
          for (let channel = 1; channel < channels; channel++) {
            for (const page of await sweep(engine, channel, maxPages)) {
              expect(owners.get(page)).toBe(channel);
            }
          }
          // Those of one are anybody's; then all are.
          engine.freeClaims(0);
          for (const page of await sweep(engine, 1, maxPages)) expect(owners.get(page)).toBe(0);
          expect(engine.dirtyPages).toBe(0);
          engine.markAll();
          for (const [id, count] of pages.entries()) if (count > 0) engine.repair(id, [0]);
          engine.freeClaims();
          const firsts = pages.flatMap((count, id) => (count > 0 ? [`${id}:0`] : []));
          expect((await sweep(engine, channels - 1, maxPages)).sort()).toEqual(firsts.sort());
        },
      ),
      { numRuns: 30 },
    );
  });

  test('are as many as there are channels', async () => {
    const engine = engineOf([3], 2);
    await expect(
      engine.capture({ channel: 2, maxPages: 1, maxPayloadBytes: 4096 }),
    ).rejects.toThrow(RangeError);
    for (const channels of [0, 1.5]) expect(() => engineOf([1], channels)).toThrow(RangeError);
  });

  test('exclude patches, which refer to what other pages were', () => {
    expect(
      () =>
        new CaptureEngine([testRegion(new Uint8Array(4096))], new HashTracker(), {
          secret,
          shadowBytes: 4096,
          baseCacheBytes: 0,
          patches: true,
          channels: 2,
        }),
    ).toThrow(RangeError);
  });
});
