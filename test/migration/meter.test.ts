import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/migration/clock.js';
import { Meter } from '../../src/migration/meter.js';

/** What a frame takes on the wire besides its payload. */
const overheadBytes = 60;
const rttMs = 20;

describe('the window of a link', () => {
  /** Round trips, of `tripMs` each, of a link that is never the limit: frames in flight in each, all acknowledged at its end. */
  function framesInFlight(
    trips: number,
    tripMs = rttMs,
  ): { readonly frames: number; readonly bytes: number }[] {
    let now = 0;
    const clock: Clock = {
      now: () => now,
      turn: () => Promise.resolve(),
      after: () => () => {},
    };
    const meter = new Meter(clock);
    meter.roundTrip(rttMs);
    let seq = 0;
    return Array.from({ length: trips }, () => {
      let frames = 0;
      for (; meter.hasRoom(0); frames++) {
        seq += 1;
        meter.left({ seq, bytes: meter.frameBytes + overheadBytes, pages: 4, at: now });
      }
      const bytes = meter.inFlightBytes;
      now += tripMs;
      meter.acknowledged(seq);
      return { frames, bytes };
    });
  }

  it('has room for four frames, whatever they take besides their payload', () => {
    for (const { frames } of framesInFlight(100)) expect(frames).toBeGreaterThanOrEqual(4);
  });

  it('opens on a long link until it holds what the link would carry, and no more than 8 MiB and a frame', () => {
    const trips = framesInFlight(12);
    const most = Math.max(...trips.map(({ bytes }) => bytes));
    expect(most).toBeGreaterThan(8 * 2 ** 20 - 512 * 1024);
    expect(most).toBeLessThanOrEqual(8 * 2 ** 20 + 512 * 1024 + overheadBytes);
  });

  it('doubles in each trip that meets no queue, though some trips took less', () => {
    const trips = framesInFlight(6, 1.4 * rttMs).map(({ bytes }) => bytes);
    for (const [trip, bytes] of trips.slice(1).entries()) {
      expect(bytes).toBeGreaterThanOrEqual(2 * (trips[trip] ?? Number.NaN));
    }
  });

  /**
   * Frames through a link that carries `rate` bytes a second one after the other, each acknowledged a round trip after it passed, and up to `laterMs`
   * more.
   */
  function throughLink(
    rate: number,
    frames: number,
    laterMs = 0,
  ): { meter: Meter; fullAfterMs: number; clock: { at: number } } {
    const time = { at: 0 };
    const meter = new Meter({
      now: () => time.at,
      turn: () => Promise.resolve(),
      after: () => () => {},
    });
    const acks: { at: number; seq: number }[] = [];
    let freeAt = 0;
    let ackedAt = 0;
    let fullAfterMs = Number.POSITIVE_INFINITY;
    for (let seq = 1; seq <= frames; ) {
      if (meter.hasRoom(0)) {
        const bytes = meter.frameBytes + overheadBytes;
        meter.left({ seq, bytes, pages: 4, at: time.at });
        freeAt = Math.max(freeAt, time.at) + (bytes / rate) * 1000;
        ackedAt = Math.max(ackedAt, freeAt + rttMs + (laterMs * (seq % 7)) / 6);
        acks.push({ at: ackedAt, seq });
        seq += 1;
        continue;
      }
      if (meter.inFlightBytes > (rate * rttMs) / 1000) fullAfterMs = Math.min(fullAfterMs, time.at);
      const next = acks.shift();
      if (next === undefined) break;
      time.at = next.at;
      meter.acknowledged(next.seq);
    }
    return { meter, fullAfterMs, clock: time };
  }

  it.each([1.25e6, 12.5e6, 125e6])(
    'is full within ten round trips on a link of %d bytes a second, and no more than that for long',
    (rate) => {
      const { meter, fullAfterMs } = throughLink(rate, 2000);
      expect(fullAfterMs).toBeLessThan(10 * rttMs + (4 * 32_768 * 1000) / rate);
      expect(meter.bytesPerSecond).toBeGreaterThan(0.9 * rate);
      expect(meter.bytesPerSecond).toBeLessThan(1.1 * rate);
      const needed = (rate * rttMs) / 1000;
      expect(meter.windowBytes).toBeGreaterThan(Math.min(8 * 2 ** 20, needed));
      expect(meter.windowBytes).toBeLessThan(2.2 * needed + 4 * meter.frameBytes + 1);
    },
  );

  it.each([1.25e6, 12.5e6, 60e6])(
    'does not shrink because round trips take longer than the smallest, on a link of %d bytes a second',
    (rate) => {
      const { meter } = throughLink(rate, 5000, 0.8 * rttMs);
      expect(meter.bytesPerSecond).toBeGreaterThan(0.9 * rate);
      expect(meter.bytesPerSecond).toBeLessThan(1.2 * rate);
    },
  );

  it('is not taken for slow because its sender is', () => {
    const { meter, clock } = throughLink(125e6, 500);
    const known = meter.bytesPerSecond;
    // A frame now and then, each alone on the link.
    for (let seq = 501; seq < 600; seq++) {
      meter.left({ seq, bytes: 40_000, pages: 4, at: clock.at });
      clock.at += rttMs + 5;
      meter.acknowledged(seq);
    }
    expect(meter.bytesPerSecond).toBe(known);
    // One that is slow by itself is seen to be.
    for (let seq = 600, time = 0; time < 40; time++) {
      while (meter.hasRoom(0)) meter.left({ seq: seq++, bytes: 40_000, pages: 4, at: clock.at });
      clock.at += 1000;
      meter.acknowledged(seq - 1);
    }
    expect(meter.bytesPerSecond).toBeLessThan(12e6);
  });
});

describe('what a page costs at the destination', () => {
  /** Frames of 32 pages, one every `everyMs`, each acknowledged a round trip and `workMs` after it could be begun. */
  function applied(everyMs: number, workMs: number, framesAtOnce = 1): number {
    let now = 0;
    const clock: Clock = { now: () => now, turn: () => Promise.resolve(), after: () => () => {} };
    const meter = new Meter(clock);
    meter.roundTrip(rttMs);
    // Large ones first: the link carries 100 MB/s.
    for (let seq = 1; seq <= 40; seq++) {
      meter.left({ seq, bytes: 1e6, pages: 0, at: now });
      now += rttMs + 10;
      meter.acknowledged(seq);
    }
    const acks: { at: number; seq: number }[] = [];
    let freeAt = 0;
    const from = now;
    for (let seq = 41; seq <= 200; seq++) {
      const at = from + (seq - 41) * everyMs;
      freeAt = Math.max(freeAt, at + rttMs / 2) + workMs;
      if (seq % framesAtOnce === 0) acks.push({ at: freeAt + rttMs / 2, seq });
      while ((acks[0]?.at ?? Number.POSITIVE_INFINITY) <= at) {
        const ack = acks.shift();
        now = ack?.at ?? now;
        meter.acknowledged(ack?.seq ?? 0);
      }
      now = at;
      meter.left({ seq, bytes: 300, pages: 32, at });
    }
    for (const ack of acks) {
      now = ack.at;
      meter.acknowledged(ack.seq);
    }
    return meter.appliedMsPerPage;
  }

  it('is nothing where the destination only waits for the next frame', () => {
    expect(applied(5, 0.001)).toBeLessThan(0.001);
    expect(applied(50, 0.001)).toBeLessThan(0.001);
  });

  it('is what it takes where it is what all wait for, however many frames are acknowledged at once', () => {
    for (const framesAtOnce of [1, 4]) {
      expect(applied(1, 3.2, framesAtOnce)).toBeGreaterThan(0.09);
      expect(applied(1, 3.2, framesAtOnce)).toBeLessThan(0.11);
    }
  });
});
