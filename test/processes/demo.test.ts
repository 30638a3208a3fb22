import { describe, expect, it } from 'vitest';
import type { Figures } from '../evidence/evidence.js';
import { record } from '../evidence/record.js';
import { expectMoved, patient } from './demo-report.js';
import { inRoom } from './room.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const timeoutMs = 90_000;

const guests = [
  { guest: 'ledger', options: ['--size', '32', '--write-rate', '10'], times: 3 },
  { guest: 'sqlite', options: ['--size', '64'], times: 2 },
  { guest: 'pglite', options: ['--size', '128'], times: 1 },
] as const;
const rows = guests.flatMap(({ times, ...row }) =>
  Array.from({ length: nightly ? 20 : times }, (_, index) => ({ ...row, seed: index + 1 })),
);

describe.concurrent('a demo', () => {
  it.for(rows)(
    'moves a guest "$guest" that writes meanwhile (seed $seed)',
    { timeout: timeoutMs },
    ({ guest, options, seed }, { task }) =>
      inRoom(async (room) => {
        const chosen = ['--guest', guest, '--seed', String(seed), ...options];
        const { code, last } = await room.run(['demo', ...chosen, ...patient]).ended();
        record(task, figuresOf(guest, seed, Object(last?.['guest'])));
        expect(code).toBe(0);
        expectMoved(last);
      })(),
  );
});

function figuresOf(guest: string, seed: number, told: Readonly<Record<string, unknown>>): Figures {
  const { before, during, after, lost, doubled } = told;
  const commits = Number(before) + Number(during) + Number(after);
  const finished = Number.isFinite(commits)
    ? { commits, lost: Number(lost), doubled: Number(doubled) }
    : {};
  return { what: `demo of a ${guest}`, seeds: [seed], counts: { demos: 1, ...finished } };
}
