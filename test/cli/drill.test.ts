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

  it('cuts a primary off from its standby, and damages what it sends: it goes on, and is followed again', async () => {
    const blows = ['--kills', '1', '--partitions', '1', '--corruptions', '2', '--size', '16'];
    const { exit, stdout, stderr } = await run('drill', ...blows, '--json');
    expect(stderr).toContain('0 lost, overlap 0');
    expect(exit).toBe(0);
    const events = eventsOf(stdout);
    const kept = {
      isPromoted: false,
      droppedMs: expect.any(Number),
      rejoinedMs: expect.any(Number),
    };
    expect(events.slice(0, 4)).toEqual([
      expect.objectContaining({ place: 'wire', code: 'ERR_FRAME_CORRUPT', ...kept }),
      expect.objectContaining({ place: 'copy', code: 'ERR_DIGEST', ...kept }),
      expect.objectContaining({ blow: 'kill', isPromoted: true }),
      expect.objectContaining({ blow: 'partition', ...kept }),
    ]);
    expect(events.at(-1)).toMatchObject({
      ...{ kills: 1, partitions: 1, corruptions: 2, promoted: 1, lost: 0, overlap: 0 },
      byBlow: {
        kill: { struck: 1, promoted: 1, lost: 0, rtoMs: { worst: expect.any(Number) } },
        partition: { struck: 1, promoted: 0 },
        corruption: { struck: 2, promoted: 0 },
      },
    });
  });

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
      const each = isNightly ? '10' : '1';
      const blows = ['kills', 'freezes', 'partitions', 'leader-kills'].flatMap((blow) => [
        `--${blow}`,
        each,
      ]);
      const args = ['drill', '--lease', 'etcd', ...blows, '--size', '16', '--json'];
      const { exit, stdout } = await run(...args);
      expect(exit).toBe(0);
      const struck = eventsOf(stdout).slice(0, -1);
      expect(new Set(struck.map(({ blow }) => blow))).toEqual(
        new Set(['kill', 'freeze', 'partition', 'leader-kill']),
      );
      expect(eventsOf(stdout).at(-1)).toMatchObject({
        ...{ lease: 'etcd', promoted: 4 * Number(each), lost: 0, overlap: 0 },
      });
    },
    isNightly ? 1_200_000 : 120_000,
  );

  it.each([
    [['--etcd', 'http://127.0.0.1:1'], '--etcd'],
    [['--lease', 'etcd', '--etcd', 'x'], 'endpoint'],
    [['--kills', '0'], '--kills'],
    [['--leader-kills', '1'], '--leader-kills'],
    [['--lease', 'etcd', '--etcd', 'https://a:1', '--partitions', '1'], '--partitions'],
    [['--ttl', '5'], '--ttl'],
    [['--lease', 'x'], '--lease'],
    [['--guest', 'x'], '--guest'],
  ] as const)('refuses %j', async (args, about) => {
    const { exit, stderr } = await run('drill', ...args);
    expect([exit, stderr]).toEqual([2, expect.stringContaining(about)]);
  });
});
