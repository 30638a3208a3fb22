import { describe, expect, it } from 'vitest';
import { Forecast, type RoundFacts } from '../../src/migration/forecast.js';
import { GuestCosts } from '../../src/migration/guest-costs.js';
import { Meter } from '../../src/migration/meter.js';
import { type PauseInputs, predictCopyMs, predictPause } from '../../src/migration/prediction.js';
import { WireSizes } from '../../src/migration/wire-sizes.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

/** A link that carried 100 MB/s in its best moment, 10 ms there and back. */
async function meterAt100MBps(): Promise<Meter> {
  const clock = new VirtualClock();
  const meter = new Meter(clock);
  meter.left({ seq: 1, bytes: 1_000_000, pages: 0, at: 0 });
  clock.after(10, () => meter.acknowledged(1));
  await clock.run(
    20,
    () => false,
    () => {},
  );
  return meter;
}

async function forecastOf(exact: boolean, sizes = new WireSizes()): Promise<Forecast> {
  return new Forecast({
    meter: await meterAt100MBps(),
    sizes,
    costs: new GuestCosts(),
    exact,
    lastFrame: { bytes: 512 * 1024, pages: 1024 },
    roundTrips: 2,
  });
}

const raw = (pages: number): { readonly pages: number; readonly bytes: number } => ({
  pages,
  bytes: pages * 4104,
});

const facts: RoundFacts = {
  round: 1,
  captureMs: 10,
  examinedPages: 10_000,
  scanPagesPerMs: undefined,
  sentPages: 10_000,
  durationMs: 400,
  workMs: 400,
  sweepMs: 390,
  treeMs: 0.1,
  totalPages: 10_000,
  rereadPages: 0,
  scanned: false,
  scanPages: 0,
  dirty: raw(4000),
};
const { dirty: _, ...exact } = facts;
const scanned = { ...exact, scanned: true, scanPages: facts.totalPages };

describe('the forecast of a pause', () => {
  it('counts the dirty pages of an exact tracker at what they cost lately', async () => {
    const forecast = await forecastOf(true);
    forecast.begin(undefined);
    forecast.learn(facts);
    // 4000 raw pages at 100 MB/s are 164 ms.
    expect(forecast.pause().totalMs).toBeGreaterThan(164);
    expect(forecast.pause().totalMs).toBeLessThan(210);
    forecast.begin(raw(4000));
    forecast.learn({ ...facts, round: 2, sentPages: 4000, dirty: { pages: 1000, bytes: 100_000 } });
    // 1000 deltas of 100 bytes are 1 ms, two round trips 20.
    expect(forecast.pause().totalMs).toBeLessThan(30);
  });

  it('expects one more round to leave what is written while it lasts', async () => {
    const forecast = await forecastOf(true);
    forecast.begin(undefined);
    forecast.learn(facts);
    // 10 pages a millisecond, and 164 ms to send 4000: 1640 are left.
    const share = forecast.nextPauseMs() / forecast.pause().totalMs;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.55);
  });

  it('asks for a second round where the tracker could not tell anything in the first', async () => {
    const forecast = await forecastOf(false);
    forecast.begin(undefined);
    forecast.learn({ ...scanned, dirty: undefined });
    expect(forecast.nextPauseMs()).toBe(0);
    expect(forecast.dirtyPages).toBe(10_000);
  });

  it('counts a whole scan where every page must be looked at', async () => {
    const forecast = await forecastOf(false);
    forecast.begin(undefined);
    forecast.learn({ ...scanned, dirty: undefined, captureMs: 60 });
    const quick = { captureMs: 10, sentPages: 0, durationMs: 30, sweepMs: 10 };
    forecast.begin(undefined);
    forecast.learn({ ...scanned, ...quick, dirty: undefined, round: 2 });
    // 10 ms of scan, two round trips of 10 ms, and what every switchover takes.
    expect(forecast.pause().copyMs).toBeCloseTo(10, 1);
    expect(forecast.pause().tripsMs).toBeCloseTo(20, 6);
  });

  it('takes the speed of a scan from pages that were only looked at, also of an exact tracker that does not see all', async () => {
    const forecast = await forecastOf(true);
    forecast.begin(undefined);
    forecast.learn({ ...facts, scanPages: facts.totalPages });
    // The second round is worth making, whatever the first one says.
    expect(forecast.nextPauseMs()).toBe(0);
    const few = { sentPages: 0, durationMs: 30, sweepMs: 10, dirty: raw(0) };
    forecast.begin(undefined);
    const scanned = { ...facts, ...few, scanned: true, scanPages: facts.totalPages };
    // Interrupted for long: the quick steps tell.
    forecast.learn({ ...scanned, round: 2, captureMs: 100, scanPagesPerMs: 2000 });
    expect(forecast.pause().copyMs / forecast.scale).toBeCloseTo(5, 1);
    forecast.begin(raw(0));
    forecast.learn({ ...facts, ...few, round: 3, scanPages: 4000 });
    expect(forecast.pause().copyMs / forecast.scale).toBeCloseTo(2, 1);
  });

  it('takes a page for cheaper than in the first pass once a round has proved it', async () => {
    /** Pages that are next to nothing on the wire. */
    class Small extends WireSizes {
      override ofCount(pages: number) {
        return { pages, bytes: pages };
      }
    }
    const forecast = await forecastOf(false, new Small());
    forecast.begin(undefined);
    // Whole pages, into memory that is touched for the first time: 0.05 ms each.
    forecast.learn({ ...scanned, dirty: undefined, captureMs: 500 });
    for (const round of [2, 3]) {
      const deltas = { captureMs: 20, sentPages: 5000, durationMs: 50, sweepMs: 1 };
      forecast.begin(undefined);
      forecast.learn({ ...scanned, ...deltas, dirty: undefined, round });
    }
    // 5 ms of scan and at most 15 for the pages.
    const { pages, copyMs, scale } = forecast.prediction();
    expect(pages).toBeGreaterThan(4000);
    expect(copyMs / scale).toBeGreaterThan(15);
    expect(copyMs / scale).toBeLessThan(21);
  });

  it('expects of a sweep only what was written behind it', async () => {
    const early = await forecastOf(false);
    const late = await forecastOf(false);
    for (const [forecast, sweepMs] of [
      [early, 0],
      [late, 1000],
    ] as const) {
      for (const round of [1, 2, 3]) {
        forecast.begin(undefined);
        const times = { durationMs: 1000, sweepMs };
        forecast.learn({ ...scanned, ...times, dirty: undefined, round, sentPages: 1000 });
      }
    }
    // A sweep as long as the round left half of the time to the page in its middle.
    expect(late.dirtyPages / early.dirtyPages).toBeGreaterThan(0.4);
    expect(late.dirtyPages / early.dirtyPages).toBeLessThan(0.6);
  });

  it('counts less of what a tracker names where much of it proves unchanged', async () => {
    const forecast = await forecastOf(true);
    forecast.begin(undefined);
    forecast.learn(facts);
    for (let round = 2; round < 12; round++) {
      forecast.begin(raw(4000));
      forecast.learn({ ...facts, round, sentPages: 400 });
    }
    expect(forecast.prediction().wireBytes).toBeLessThan(0.2 * 4000 * 4104);
  });

  it('adds what guests took to pause, to save and to load', async () => {
    const costs = new GuestCosts();
    const plain = await forecastOf(true);
    const slow = new Forecast({
      meter: await meterAt100MBps(),
      sizes: new WireSizes(),
      costs,
      exact: true,
      lastFrame: { bytes: 1, pages: 1 },
      roundTrips: 2,
    });
    costs.pauseMs.add(5);
    costs.saveMs.add(7);
    costs.loadMs.add(11);
    expect(slow.pause().pauseMs).toBe(5);
    expect(slow.pause().stateMs).toBe(18);
    expect(slow.pause().totalMs - plain.pause().totalMs).toBeCloseTo(23, 6);
  });

  it('grows more careful after a pause that overran', async () => {
    const forecast = await forecastOf(true);
    forecast.begin(undefined);
    forecast.learn(facts);
    const before = forecast.pause().totalMs;
    forecast.distrust();
    expect(forecast.pause().totalMs).toBeCloseTo(before * 1.5, 5);
  });
});

describe('the score of a round', () => {
  it('is what it took by what it was predicted to take', async () => {
    const forecast = await forecastOf(true);
    expect(forecast.begin(undefined)).toBeUndefined();
    expect(forecast.learn(facts)).toBeUndefined();
    const predictedMs = forecast.begin(raw(4000));
    // 164 ms on the link, and the way of the last acknowledgement.
    expect(predictedMs).toBeGreaterThan(170);
    expect(predictedMs).toBeLessThan(185);
    const workMs = 2 * (predictedMs ?? 0) + 1;
    expect(forecast.learn({ ...facts, round: 2, workMs })).toBeCloseTo(2, 6);
    expect(forecast.prediction()).toMatchObject({ roundsScored: 1 });
  });

  it('scales the copy of a pause by the p90 of the newest, within bounds', async () => {
    const forecast = await forecastOf(true);
    forecast.begin(undefined);
    forecast.learn(facts);
    expect(forecast.scale).toBe(1);
    const score = (factor: number): void => {
      const predictedMs = forecast.begin(raw(4000)) ?? 0;
      forecast.learn({ ...facts, round: 2, workMs: factor * (predictedMs + 1) - 1 });
    };
    for (let round = 0; round < 9; round++) score(1.2);
    score(2);
    expect(forecast.scale).toBeCloseTo(1.2, 6);
    const { copyMs } = forecast.pause();
    score(2.5);
    expect(forecast.pause().copyMs / copyMs).toBeGreaterThan(1.5);
    for (let round = 0; round < 20; round++) score(100);
    expect(forecast.scale).toBe(3);
    for (let round = 0; round < 20; round++) score(0.01);
    expect(forecast.scale).toBe(0.8);
  });
});

const copy = {
  pages: 100,
  wireBytes: 200_000,
  scanPages: 1000,
  scanPagesPerMs: 100,
  encodeMsPerPage: 0.1,
  applyMsPerPage: 0.2,
  bytesPerSecond: 1_000_000,
  frameBytes: 20_000,
  framePages: 1000,
};

describe('predictCopyMs', () => {
  it('takes the slower of what overlaps, and one frame of the other', () => {
    // Scan 10; link 200 and apply 20, a tenth of 10 for encoding.
    expect(predictCopyMs(copy)).toBeCloseTo(231, 6);
    // Encode 500, a tenth of 220 for the rest.
    expect(predictCopyMs({ ...copy, encodeMsPerPage: 5 })).toBeCloseTo(532, 6);
    // All in one frame: one after the other.
    expect(predictCopyMs({ ...copy, frameBytes: 1e6 })).toBeCloseTo(240, 6);
    expect(predictCopyMs({ ...copy, frameBytes: 1e6, framePages: 10 })).toBeCloseTo(231, 6);
  });
});

describe('predictPause', () => {
  const inputs: PauseInputs = {
    pauseMs: 1,
    copy,
    saveMs: 2,
    loadMs: 3,
    verifyMs: 4,
    rttMs: 5,
    roundTrips: 2,
    scale: 1,
    caution: 1,
  };

  it('adds what happens one after the other, in parts', () => {
    const prediction = predictPause(inputs);
    expect(prediction).toEqual({
      totalMs: expect.closeTo(251, 6),
      pauseMs: 1,
      copyMs: expect.closeTo(231, 6),
      stateMs: 5,
      verifyMs: 4,
      tripsMs: 10,
    });
  });

  it('scales the copy by how rounds were predicted, and everything by caution', () => {
    expect(predictPause({ ...inputs, scale: 2 }).totalMs).toBeCloseTo(251 + 231, 6);
    expect(predictPause({ ...inputs, caution: 2 }).totalMs).toBeCloseTo(502, 6);
  });
});

describe('the meter', () => {
  it('keeps the window between four frames and 8 MiB', async () => {
    const meter = await meterAt100MBps();
    expect(meter.bytesPerSecond).toBeCloseTo(1e8, -3);
    expect(meter.frameBytes).toBe(200_000);
    expect(meter.windowBytes).toBeGreaterThanOrEqual(4 * meter.frameBytes);
    expect(meter.windowBytes).toBeLessThanOrEqual(8 * 2 ** 20);
  });

  it('forgets what is acknowledged, once', async () => {
    const meter = new Meter(new VirtualClock());
    meter.left({ seq: 1, bytes: 100, pages: 0, at: 0 });
    meter.left({ seq: 2, bytes: 200, pages: 0, at: 0 });
    meter.acknowledged(1);
    expect(meter.inFlightBytes).toBe(200);
    meter.acknowledged(1);
    meter.acknowledged(2);
    meter.acknowledged(99);
    expect(meter.inFlightBytes).toBe(0);
  });

  it('counts as a page’s cost at the destination only what its bytes do not explain', async () => {
    const clock = new VirtualClock();
    const meter = new Meter(clock);
    const deliver = async (
      seq: number,
      bytes: number,
      pages: number,
      ms: number,
    ): Promise<void> => {
      meter.left({ seq, bytes, pages, at: clock.now() });
      const until = clock.now() + ms;
      clock.after(ms, () => meter.acknowledged(seq));
      await clock.run(
        until,
        () => false,
        () => {},
      );
    };
    // Raw pages at 10 MB/s: all of their time is the link's.
    for (let seq = 1; seq <= 20; seq++) await deliver(seq, 400_000, 100, 40);
    expect(meter.appliedMsPerPage).toBe(0);
    // Small deltas that take longer than their bytes: 45 ms, of which 40 are the smallest way there and back ever seen.
    for (let seq = 21; seq <= 60; seq++) await deliver(seq, 1000, 100, 45);
    expect(meter.appliedMsPerPage).toBeGreaterThan(0.04);
    expect(meter.appliedMsPerPage).toBeLessThan(0.05);
  });
});
