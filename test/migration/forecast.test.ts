import { describe, expect, it } from 'vitest';
import { Forecast, type RoundFacts } from '../../src/migration/forecast.js';
import { Meter } from '../../src/migration/meter.js';
import { predictPauseMs } from '../../src/migration/prediction.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

/** A link that carried 100 MB/s in its best moment. */
async function meterAt100MBps(): Promise<Meter> {
  const clock = new VirtualClock();
  const meter = new Meter(clock);
  meter.left(1, 1_000_000);
  clock.after(10, () => meter.acknowledged(1));
  await clock.run(
    20,
    () => false,
    () => {},
  );
  return meter;
}

const facts: RoundFacts = {
  round: 1,
  captureMs: 10,
  examinedPages: 10_000,
  sentPages: 10_000,
  sentBytes: 41_040_000,
  durationMs: 400,
  treeMs: 0.1,
  totalPages: 10_000,
  markedPages: 4000,
};

describe('the forecast of a pause', () => {
  it('counts the dirty pages of an exact tracker at what they cost lately', async () => {
    const forecast = new Forecast(await meterAt100MBps(), true);
    forecast.learn(facts);
    // 4000 raw pages at 100 MB/s are 164 ms.
    expect(forecast.pauseMs()).toBeGreaterThan(160);
    forecast.learn({ ...facts, round: 2, sentPages: 4000, sentBytes: 400_000, markedPages: 1000 });
    // 1000 deltas of 100 bytes are 1 ms.
    expect(forecast.pauseMs()).toBeLessThan(20);
  });

  it('expects one more round to leave what is written while it lasts', async () => {
    const forecast = new Forecast(await meterAt100MBps(), true);
    forecast.learn(facts);
    // 10 pages a millisecond, and 164 ms to send 4000: 1640 are left.
    const share = forecast.nextPauseMs() / forecast.pauseMs();
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.5);
  });

  it('asks for a second round where the tracker could not tell anything in the first', async () => {
    const forecast = new Forecast(await meterAt100MBps(), false);
    forecast.learn(facts);
    expect(forecast.nextPauseMs()).toBe(0);
    expect(forecast.dirtyPages).toBe(10_000);
  });

  it('counts a whole scan where every page must be looked at', async () => {
    const forecast = new Forecast(await meterAt100MBps(), false);
    forecast.learn({ ...facts, captureMs: 60 });
    forecast.learn({
      ...facts,
      round: 2,
      captureMs: 10,
      sentPages: 0,
      sentBytes: 0,
      durationMs: 30,
    });
    // 10 ms of scan, and one and a half round trips of 10 ms.
    expect(forecast.pauseMs()).toBeGreaterThan(25);
    expect(forecast.pauseMs()).toBeLessThan(27);
  });

  it('grows more careful after a pause that overran', async () => {
    const forecast = new Forecast(await meterAt100MBps(), true);
    forecast.learn(facts);
    const before = forecast.pauseMs();
    forecast.distrust();
    expect(forecast.pauseMs()).toBeCloseTo(before * 1.5, 5);
  });
});

describe('predictPauseMs', () => {
  it('adds what happens one after the other and takes the slower of what overlaps', () => {
    const inputs = {
      dirtyPages: 100,
      bytesPerPage: 1000,
      inFlightBytes: 50_000,
      stateBytes: 50_000,
      bytesPerSecond: 1_000_000,
      scanPages: 1000,
      scanPagesPerMs: 100,
      encodeMsPerPage: 0.1,
      applyMsPerPage: 0.2,
      rttMs: 2,
      verifyMs: 1,
      scale: 1,
    };
    // scan 10, wire 200 (encode 10 in its shadow), verify 1, one and a half round trips 3.
    expect(predictPauseMs(inputs)).toBeCloseTo(214, 6);
    expect(predictPauseMs({ ...inputs, encodeMsPerPage: 5 })).toBeCloseTo(514, 6);
    expect(predictPauseMs({ ...inputs, applyMsPerPage: 6 })).toBeCloseTo(614, 6);
    expect(predictPauseMs({ ...inputs, scale: 2 })).toBeCloseTo(428, 6);
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
    meter.left(1, 100);
    meter.left(2, 200);
    meter.acknowledged(1);
    expect(meter.inFlightBytes).toBe(200);
    meter.acknowledged(1);
    meter.acknowledged(2);
    meter.acknowledged(99);
    expect(meter.inFlightBytes).toBe(0);
  });
});
