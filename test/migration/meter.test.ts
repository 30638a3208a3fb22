import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/migration/clock.js';
import { Meter } from '../../src/migration/meter.js';

/** What a frame takes on the wire besides its payload. */
const overheadBytes = 60;
const rttMs = 20;

describe('the window of a link', () => {
  /** Round trips of a link that is never the limit: frames in flight in each, all acknowledged at its end. */
  function framesInFlight(trips: number): { readonly frames: number; readonly bytes: number }[] {
    let now = 0;
    const clock: Clock = {
      now: () => now,
      turn: () => Promise.resolve(),
      after: () => () => {},
    };
    const meter = new Meter(clock);
    let seq = 0;
    return Array.from({ length: trips }, () => {
      let frames = 0;
      for (; meter.hasRoom(0); frames++) {
        seq += 1;
        meter.left({ seq, bytes: meter.frameBytes + overheadBytes, pages: 4, at: now });
      }
      const bytes = meter.inFlightBytes;
      now += rttMs;
      meter.acknowledged(seq);
      return { frames, bytes };
    });
  }

  it('has room for four frames, whatever they take besides their payload', () => {
    for (const { frames } of framesInFlight(100)) expect(frames).toBeGreaterThanOrEqual(4);
  });

  it('opens on a long link until it holds what the link would carry, and no more than 8 MiB and a frame', () => {
    const trips = framesInFlight(400);
    const most = Math.max(...trips.map(({ bytes }) => bytes));
    expect(most).toBeGreaterThan(8 * 2 ** 20 - 512 * 1024);
    expect(most).toBeLessThanOrEqual(8 * 2 ** 20 + 512 * 1024 + overheadBytes);
  });
});
