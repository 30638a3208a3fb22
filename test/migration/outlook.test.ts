import { describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Watched } from '../../src/migration/guest-watch.js';
import { resolveOptions } from '../../src/migration/options.js';
import { type OutlookInputs, outlookOf } from '../../src/migration/outlook.js';
import { makeLimits } from '../../src/migration/source-plan.js';

/** 10,000 raw pages; so many written a millisecond, each of 100 bytes. */
function watchedOf(pagesPerMs: number): Watched {
  const writes = [20, 100, 1000].map((ms) => {
    const pages = Math.min(10_000, pagesPerMs * ms);
    return { ms, pages, bytes: 100 * pages };
  });
  return {
    totalBytes: 10_000 * 4096,
    totalPages: 10_000,
    sampledShare: 1,
    watchedMs: 3000,
    firstPages: 10_000,
    firstBytes: 10_000 * 4104,
    firstMs: 10,
    writes,
    encodeMsPerPage: 0.001,
    scanPagesPerMs: 1000,
    givenPerMs: 0,
    auditMs: 0,
    treeMs: 0.1,
  };
}

const limits = makeLimits(bufferGuest(new Uint8Array(4096)), resolveOptions({ maxDowntimeMs: 50 }));

function inputs(pagesPerMs: number, changed: Partial<OutlookInputs> = {}): OutlookInputs {
  return {
    watched: watchedOf(pagesPerMs),
    link: { bytesPerSecond: 10e6, rttMs: 1 },
    limits,
    exact: true,
    scanPages: changed.exact === false ? 10_000 : 0,
    handsOver: true,
    ...changed,
  };
}

describe('the outlook of a migration', () => {
  it('sends all of it, then what was written meanwhile, until the pause fits', () => {
    const outlook = outlookOf(inputs(1));
    expect(outlook.converges).toBe(true);
    const [first, second] = outlook.perRound;
    expect(first).toMatchObject({ pages: 10_000, bytes: 41_040_000 });
    // 41 MB at 10 MB/s.
    expect(first?.durationMs).toBeGreaterThan(4104);
    expect(first?.durationMs).toBeLessThan(4200);
    // In 4.1 s 4,100 pages, of 100 bytes each: 41 ms.
    expect(second?.pages).toBeGreaterThan(4000);
    expect(second?.pages).toBeLessThan(4300);
    expect(second?.durationMs).toBeLessThan(60);
    expect(outlook.downtimeMs).toBeLessThan(10);
    expect(outlook.bytesSent).toBeGreaterThan(41_040_000 + 400_000);
    const rounds = outlook.perRound.reduce((sum, { durationMs }) => sum + durationMs, 0);
    expect(outlook.totalMs).toBeGreaterThan(rounds + (outlook.downtimeMs ?? 0));
  });

  it('says where writes outrun the link, by the rules of a real migration', () => {
    // 200 pages of 100 bytes a millisecond are twice what the link carries.
    const outlook = outlookOf(inputs(200));
    expect(outlook).toMatchObject({ converges: false, downtimeMs: null });
    expect(outlook.rounds).toBeGreaterThan(4);
    const forced = outlookOf(inputs(200, { limits: { ...limits, onStall: 'force' } }));
    expect(forced.converges).toBe(true);
    expect(forced.downtimeMs).toBeGreaterThan(50);
    const throttled = outlookOf(inputs(200, { limits: { ...limits, onStall: 'throttle' } }));
    expect(throttled.converges).toBe(true);
    expect(throttled.downtimeMs).toBeLessThan(50);
  });

  it('needs one pass where nothing changes, and pauses nothing', () => {
    const outlook = outlookOf(inputs(0, { limits: { ...limits, motion: 'still' } }));
    expect(outlook).toMatchObject({
      converges: true,
      rounds: 1,
      pagesSent: 10_000,
      downtimeMs: null,
    });
  });

  it('follows what cannot be paused until a whole pass finds nothing, or gives up', () => {
    const unpausable = { ...limits, motion: 'unpausable' } as const;
    const quiet = outlookOf(inputs(0.01, { limits: unpausable, exact: false }));
    expect(quiet).toMatchObject({ converges: true, downtimeMs: null });
    expect(quiet.rounds).toBeGreaterThan(1);
    const busy = outlookOf(inputs(1, { limits: unpausable, exact: false }));
    expect(busy).toMatchObject({ converges: false, downtimeMs: null });
  });

  it('counts a scan of everything where the tracker cannot know', () => {
    const exact = outlookOf(inputs(1));
    const scanned = outlookOf(inputs(1, { exact: false }));
    // 10,000 pages at 1000 a millisecond.
    expect((scanned.downtimeMs ?? 0) - (exact.downtimeMs ?? 0)).toBeGreaterThan(8);
  });

  it('counts two round trips in the pause of what is handed over, one of what is copied', () => {
    const link = { bytesPerSecond: 10e6, rttMs: 10 };
    const handed = outlookOf(inputs(1, { link })).downtimeMs ?? 0;
    const copied = outlookOf(inputs(1, { link, handsOver: false })).downtimeMs ?? 0;
    expect(handed - copied).toBeCloseTo(10, 1);
  });

  it('takes live rounds to last longer where others use the thread, and the pause not', () => {
    const watched = { ...watchedOf(1), encodeMsPerPage: 0.1 };
    const [alone, shared] = [0, 2].map((givenPerMs) =>
      outlookOf(inputs(1, { watched: { ...watched, givenPerMs } })),
    );
    const [, second] = alone?.perRound ?? [];
    const [, longer] = shared?.perRound ?? [];
    // What the round encodes, and twice as much for others.
    const encodeMs = (second?.pages ?? 0) * 0.1;
    expect(encodeMs).toBeGreaterThan(100);
    expect((longer?.durationMs ?? 0) - (second?.durationMs ?? 0)).toBeCloseTo(2 * encodeMs, 0);
    expect(longer?.pages).toBe(second?.pages);
    expect(longer?.predictedDowntimeMs).toBeGreaterThan(0);
  });

  it('takes the first pass to last as long as looking did, where that is longer than the link takes', () => {
    const watched = { ...watchedOf(1), firstMs: 10_000 };
    const [first] = outlookOf(inputs(1, { watched })).perRound;
    expect(first?.durationMs).toBeGreaterThan(10_000);
    expect(first?.durationMs).toBeLessThan(10_200);
  });

  it('audits in the second round', () => {
    const quick = outlookOf(inputs(1));
    const audited = outlookOf(inputs(1, { watched: { ...watchedOf(1), auditMs: 700 } }));
    const durations = [quick, audited].map(({ perRound }) => perRound.map((r) => r.durationMs));
    expect(durations[1]?.[0]).toBe(durations[0]?.[0]);
    expect((durations[1]?.[1] ?? 0) - (durations[0]?.[1] ?? 0)).toBeCloseTo(700, 6);
  });

  it('follows what takes days', () => {
    const days = 24 * 60 * 60;
    const outlook = outlookOf(
      inputs(1, { watched: { ...watchedOf(1), firstBytes: 5 * days * 10e6 } }),
    );
    expect(outlook.converges).toBe(true);
    expect(outlook.totalMs).toBeGreaterThan(5 * days * 1000);
  });

  it('tells no more rounds than fit a report, and counts all of them', () => {
    const late = { ...limits, stallMs: 100_000 };
    const outlook = outlookOf(inputs(200, { limits: late }));
    expect(outlook.perRound.length).toBeLessThanOrEqual(64);
    expect(outlook.rounds).toBeGreaterThan(64);
  });
});
