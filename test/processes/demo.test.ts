import { describe, expect, it } from 'vitest';
import { expectMoved, patient } from './demo-report.js';
import { inRoom } from './room.js';

const times = process.env['PAGEFERRY_NIGHTLY'] === '1' ? 20 : 3;
const runs = Array.from({ length: times }, (_, index) => index + 1);
const timeoutMs = 90_000;

describe.concurrent('a demo', () => {
  it.each(runs)(
    'moves a ledger that is written meanwhile (run %i)',
    inRoom(async (room) => {
      const demo = room.run(['demo', '--size', '32', '--write-rate', '10', ...patient]);
      const { code, last } = await demo.ended();
      expect(code).toBe(0);
      expectMoved(last);
    }),
    timeoutMs,
  );

  it.each(runs)(
    'moves a SQLite that is written meanwhile (run %i)',
    inRoom(async (room) => {
      const demo = room.run(['demo', '--guest', 'sqlite', '--size', '64', ...patient]);
      const { code, last } = await demo.ended();
      expect(code).toBe(0);
      expectMoved(last);
    }),
    timeoutMs,
  );
});
