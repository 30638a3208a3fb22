import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CaptureEngine } from '../../src/codec/capture.js';
import { runsOfTable } from '../../src/codec/run-table.js';
import { HashTracker } from '../../src/memory/scan-trackers.js';
import { testRegion } from '../reference/regions.js';
import { secret } from './ends.js';

/** Whose page this is, said as the comment in the code says it. */
function channelOf(region: number, page: number, channels: number): number {
  return (region + Math.floor(page / 256)) % channels;
}

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

/** Region and page of everything one channel sends until it is exhausted. */
async function sweep(engine: CaptureEngine, channel: number, maxPages: number): Promise<string[]> {
  const pages: string[] = [];
  for (let exhausted = false; !exhausted; ) {
    const step = await engine.capture({ channel, maxPages, maxPayloadBytes: 64 << 10 });
    exhausted = step.exhausted;
    const table = step.frame?.copyTable() ?? new Uint8Array();
    for (const { region, first, count } of runsOfTable(table)) {
      for (let page = first; page < first + count; page++) pages.push(`${region}:${page}`);
    }
    step.frame?.release();
  }
  return pages;
}

describe('pages of several channels', () => {
  test('each goes on its own, in windows taken in turn, and none is left', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 1400 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 700 }),
        async (pages, channels, maxPages) => {
          const engine = engineOf(pages, channels);
          const sent: string[][] = [];
          for (let channel = 0; channel < channels; channel++) {
            sent.push(await sweep(engine, channel, maxPages));
          }
          const expected = sent.map((_, channel) =>
            pages.flatMap((count, region) =>
              Array.from({ length: count }, (_page, page) => page)
                .filter((page) => channelOf(region, page, channels) === channel)
                .map((page) => `${region}:${page}`),
            ),
          );
          expect(sent).toEqual(expected);
          expect(engine.dirtyPages).toBe(0);
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
