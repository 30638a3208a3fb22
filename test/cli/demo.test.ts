import { describe, expect, it } from 'vitest';
import { eventsOf } from '../command.js';
import { run } from './command.js';

describe('demo', () => {
  it('moves a ledger that goes on working, and finds every commit once', async () => {
    const { exit, stdout, stderr } = await run('demo', '--size', '16', '--seed', '7', '--json');
    const events = eventsOf(stdout);
    const types = events.map(({ type }) => type);
    const completed = events.at(-1);
    expect(stderr).toContain('0 lost, 0 doubled');
    expect(exit).toBe(0);
    expect(types[0]).toBe('listening');
    expect(types).toContain('round');
    expect(types.filter((type) => type === 'completed' || type === 'failed')).toEqual([
      'completed',
    ]);
    expect(types.at(-2)).toBe('switchover');
    expect(completed).toMatchObject({
      verified: 'memory',
      guest: { lost: 0, doubled: 0, seed: 7 },
    });
    for (const when of ['before', 'during', 'after']) {
      expect(Object(completed?.['guest'])[when]).toBeGreaterThan(0);
    }
  });

  it('moves SQLite, whose tables are what its commits make them', async () => {
    const { exit, stdout, stderr } = await run('demo', '--guest', 'sqlite', '--json');
    expect(stderr).toContain('0 lost, 0 doubled');
    expect(exit).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({
      type: 'completed',
      guest: { lost: 0, doubled: 0 },
    });
  });

  it('prints the same to people, one line a round, where there is no terminal', async () => {
    const { exit, stdout, stderr } = await run('demo', '--size', '8');
    expect(exit).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ {2}round {2}1 /m);
    expect(stdout).toMatch(/^ {2}verified +memory/m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(stdout).not.toMatch(/[\u001b\r]/);
  });

  it('ends with 1 where the guest writes faster than the link carries', async () => {
    const { exit, stdout } = await run(
      'demo',
      '--size',
      '4',
      '--write-rate',
      '10',
      '--bytes-per-second',
      '1M',
      '--max-downtime',
      '0.01',
      '--on-stall',
      'cancel',
      '--json',
    );
    expect(exit).toBe(1);
    expect(eventsOf(stdout).at(-1)).toMatchObject({
      type: 'failed',
      code: 'ERR_NOT_CONVERGING',
      guestRunsAt: 'source',
    });
  });
});
