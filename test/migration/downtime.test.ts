import { expect, it } from 'vitest';
import { PauseTimer } from '../../src/migration/downtime.js';

it('a pause ends when RUNNING was read, whatever is done before that is noted; the first note counts', () => {
  const digest = new Uint8Array(32);
  let nowMs = 10;
  const clock = { now: () => nowMs, after: () => () => {}, turn: async () => {} };
  const timer = new PauseTimer(clock);
  nowMs = 12;
  timer.mark('committed');
  nowMs = 20;
  timer.mark('running', 15);
  timer.mark('running');
  const running = {
    type: 'RUNNING',
    digest,
    verifyMs: 0,
    loadMs: 0,
    acquireMs: 0,
    resumeMs: 0,
  } as const;
  expect(timer.account(running)).toMatchObject({ totalMs: 5, commitMs: 3 });
});
