import { describe, expect, it } from 'vitest';
import { eventsOf } from '../command.js';
import { hasEtcd, skipped } from '../lease/etcd-room.js';
import { run } from './command.js';

const isNightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const kills = isNightly ? 100 : 3;

describe('drill', () => {
  it('kills and freezes a primary, whose standby goes on with all that was told of', async () => {
    const blows = ['--kills', '2', '--freezes', '1', '--ttl', '400', '--size', '16'];
    const { exit, stdout, stderr } = await run('drill', ...blows, '--seed', '7', '--json');
    const events = eventsOf(stdout);
    expect(stderr).toContain('0 lost, overlap 0');
    expect(exit).toBe(0);
    expect(events.map(({ type, blow }) => `${type} ${blow ?? ''}`)).toEqual([
      'struck kill',
      'struck kill',
      'struck freeze',
      'completed ',
    ]);
    for (const event of events.slice(0, 3)) {
      expect(event).toMatchObject({ lost: 0 });
      for (const [one, other] of [
        ['detectedMs', 'promotedMs'],
        ['promotedMs', 'workedMs'],
        ['workedMs', 'effectMs'],
      ] as const) {
        expect(Number(event[one])).toBeLessThan(Number(event[other]) + 5);
      }
    }
    const completed = events.at(-1);
    expect(completed).toMatchObject({ kills: 2, freezes: 1, promoted: 3, lost: 0, overlap: 0 });
    expect(Number(completed?.['transactions'])).toBeGreaterThan(100);
  });

  it(`loses no transaction of SQLite that was told of in ${kills} kills`, async () => {
    const { exit, stdout, stderr } = await run(
      ...['drill', '--guest', 'sqlite', '--kills', `${kills}`, '--json'],
    );
    expect(stderr).toContain('0 lost, overlap 0');
    expect(exit).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ promoted: kills, lost: 0, overlap: 0 });
  }, 1_800_000);

  it('shows what async loses, and does not fail for it', async () => {
    const { exit, stdout } = await run(
      ...[
        'drill',
        '--mode',
        'async',
        '--kills',
        '2',
        '--interval',
        '300',
        '--size',
        '16',
        '--json',
      ],
    );
    expect(exit).toBe(0);
    const completed = eventsOf(stdout).at(-1);
    expect(completed).toMatchObject({ mode: 'async', promoted: 2, overlap: 0 });
    expect(Number(completed?.['lost'])).toBeGreaterThan(0);
  });

  it('fails where it took longer than is allowed', async () => {
    const { exit, stdout, stderr } = await run(
      ...['drill', '--kills', '1', '--max-rto', '1', '--size', '16', '--json'],
    );
    expect(exit).toBe(1);
    expect(stderr).toContain('at most 1.00 ms are allowed');
    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'failed', code: 'ERR_PEER_TIMEOUT' });
  });

  it.skipIf(!hasEtcd)(
    `goes by etcd too, and loses nothing${skipped}`,
    async () => {
      const blows = ['--kills', '1', '--freezes', '1', '--size', '16'];
      const { exit, stdout } = await run('drill', '--lease', 'etcd', ...blows, '--json');
      expect(exit).toBe(0);
      expect(eventsOf(stdout).at(-1)).toMatchObject({
        ...{ lease: 'etcd', promoted: 2, lost: 0, overlap: 0 },
      });
    },
    120_000,
  );

  it.each([
    [['--etcd', 'http://127.0.0.1:1'], '--etcd'],
    [['--lease', 'etcd', '--etcd', 'x'], 'endpoint'],
    [['--kills', '0'], '--kills'],
    [['--ttl', '5'], '--ttl'],
    [['--lease', 'x'], '--lease'],
    [['--guest', 'x'], '--guest'],
  ] as const)('refuses %j', async (args, about) => {
    const { exit, stderr } = await run('drill', ...args);
    expect([exit, stderr]).toEqual([2, expect.stringContaining(about)]);
  });
});
