import { describe, expect, it } from 'vitest';
import { CaptureEngine } from '../../src/codec/capture.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { Repair } from '../../src/migration/repair.js';
import type { Hashes, HashesRequest } from '../../src/protocol/messages.js';

function repairOf(pages: number): { readonly repair: Repair; readonly asked: HashesRequest[] } {
  const { regions, tracker } = bufferGuest(new Uint8Array(pages * 4096));
  const engine = new CaptureEngine(regions, tracker, {
    secret: new Uint8Array(192),
    shadowBytes: 0,
    baseCacheBytes: 0,
  });
  const asked: HashesRequest[] = [];
  return { repair: new Repair(engine, (message) => asked.push(message)), asked };
}

function hashes(level: Hashes['level'], indexes: number[], last: boolean): Hashes {
  const entries = indexes.map((index) => ({ index, hash: 1n }));
  return { type: 'HASHES', region: 0, level, entries, last };
}

describe('the source’s part in a repair', () => {
  it('asks for each differing leaf once, in order, however often it is named', async () => {
    const { repair, asked } = repairOf(1024);
    for (let time = 0; time < 100_000; time++) await repair.compare(hashes('leaf', [1], false));
    expect(await repair.compare(hashes('leaf', [0, 1], true))).toBe('asked');
    expect(asked).toEqual([{ type: 'HASHES_REQUEST', region: 0, leaves: [0, 1], last: true }]);
  });

  it('does not take what a re-read found for the answer to what it never asked', async () => {
    const { repair } = repairOf(1024);
    repair.begin();
    expect(await repair.compare(hashes('page', [3], true))).toBe('asked');
    expect(repair.pages).toBe(1);
    expect(await repair.compare(hashes('leaf', [0], true))).toBe('asked');
    expect(await repair.compare(hashes('page', [3], true))).toBe('marked');
  });

  it('forgets at each switchover what an earlier one left unanswered', async () => {
    const { repair, asked } = repairOf(1024);
    await repair.compare(hashes('leaf', [0], false));
    repair.begin();
    await repair.compare(hashes('leaf', [1], true));
    expect(asked).toEqual([{ type: 'HASHES_REQUEST', region: 0, leaves: [1], last: true }]);
  });
});
