import { describe, expect, it } from 'vitest';
import { expectMoved } from './demo-report.js';
import { inRoom } from './room.js';

const timeoutMs = 120_000;
/** It writes as fast as it can, which leaves more to be sent than fits a short pause: no round helps. */
const restless = ['--size', '128', '--write-rate', '1000'];

describe('a demo whose guest never converges', () => {
  it(
    'is given up under --on-stall cancel, and its guest runs on at the source',
    inRoom(async (room) => {
      const options = [...restless, '--max-downtime', '1', '--on-stall', 'cancel'];
      const { code, last } = await room.run(['demo', ...options]).ended();
      expect(code).toBe(1);
      expect(last).toMatchObject({ code: 'ERR_NOT_CONVERGING', guestRunsAt: 'source' });
    }),
    timeoutMs,
  );

  it(
    'switches over under --on-stall force, however long the pause',
    inRoom(async (room) => {
      const options = [...restless, '--max-downtime', '1', '--on-stall', 'force'];
      const demo = room.run(['demo', ...options]);
      const { code, last } = await demo.ended();
      expect(code).toBe(0);
      expectMoved(last);
      expect(await demo.event('switchover', ({ forced }) => forced === true)).toBeDefined();
    }),
    timeoutMs,
  );

  it(
    'slows its guest under --on-stall throttle as far as it goes, and lets it run on at the source where that is not enough',
    inRoom(async (room) => {
      const options = [...restless, '--max-downtime', '1', '--on-stall', 'throttle'];
      const { code, last, events } = await room.run(['demo', ...options]).ended();
      const slowed = events.flatMap(({ type, action }) => (type === 'stalled' ? [action] : []));
      expect(slowed).toEqual([20, 40, 60, 80, 90, 99].map((share) => `throttle ${share} %`));
      expect(code).toBe(1);
      expect(last).toMatchObject({ code: 'ERR_NOT_CONVERGING', guestRunsAt: 'source' });
    }),
    timeoutMs,
  );
});
