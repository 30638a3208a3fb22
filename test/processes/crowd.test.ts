import { promises as fs, readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { newToken } from '../../src/index.js';
import { encodeMessage } from '../../src/protocol/index.js';
import type { Launcher } from '../command.js';
import { examples } from '../reference/examples.js';
import { Random } from '../reference/random.js';
import { Crowd, drip, type Habit } from './crowd.js';
import { inRoom, type Room } from './room.js';

const MiB = 2 ** 20;
/** docs/security.md: 256 strangers of at most this much each, and what garbage is not collected yet. */
const grownAtMost = 96 * MiB;

const hello = encodeMessage(examples.HELLO, { seq: 1, round: 0, attempt: 1 });
const silent: Habit = () => {};
const noise = new Random(8).bytes(4096);
const garbage: Habit = (socket) => void socket.write(noise);
const clientHello = Buffer.concat([
  Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
  new Random(9).bytes(501),
]);
/** Says the beginning of a handshake, and no more. */
const stalled: Habit = (socket) => void socket.write(clientHello.subarray(0, 300));
/** Goes through the first flight and never answers. */
const halfShaken: Habit = (socket) => {
  const tls = connectTls({ socket, minVersion: 'TLSv1.3', rejectUnauthorized: false });
  tls.on('error', () => {});
};

/** The most memory a process ever had, or has, in bytes. */
function memoryOf(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
}

async function tokenFile(room: Room): Promise<string> {
  const path = await room.file('token', `${newToken()}\n`);
  await fs.chmod(path, 0o600);
  return path;
}

interface Siege {
  readonly what: string;
  readonly habits: readonly Habit[];
  readonly trust: (room: Room) => Promise<readonly string[]>;
}

const sieges: readonly Siege[] = [
  {
    what: 'on plain TCP',
    habits: [silent, drip(hello), garbage],
    trust: async () => [],
  },
  {
    what: 'under TLS',
    habits: [silent, drip(clientHello), garbage, stalled, halfShaken],
    trust: async (room) => ['--token-file', await tokenFile(room)],
  },
];

describe.runIf(process.platform === 'linux')('a receiver among a thousand strangers', () => {
  it.each(sieges)(
    '$what takes a real image, in memory that is bounded',
    ({ habits, trust }) =>
      inRoom(async (room) => {
        const options = await trust(room);
        const receiver = await room.receive('--once', ...options);
        const { pid } = receiver.process;
        const before = memoryOf(pid, 'VmRSS');
        const crowd = room.keep(new Crowd(receiver.port, 1000, habits));
        await crowd.has(3000);
        const file = await room.file('good.img', new Random(1).bytes(4 * MiB));
        expect(memoryOf(pid, 'VmHWM') - before).toBeLessThan(grownAtMost);
        const sent = await room.send(file, receiver.port, ...options).ended();
        crowd.close();
        expect(sent).toMatchObject({ code: 0, last: { type: 'completed', verified: 'memory' } });
        expect(await receiver.process.ended()).toMatchObject({ code: 0 });
        await room.expectReceived(file);
      })(),
    120_000,
  );

  it.each([256, 96])(
    'has descriptors for a source although it may open %i only',
    (most) =>
      inRoom(async (room) => {
        const few: Launcher = ['sh', '-c', `ulimit -n ${most}; exec "$0" "$@"`];
        const receiver = room.run(
          ['receive', '--listen', '127.0.0.1:0', '--out', room.out, '--once'],
          few,
        );
        const port = Number((await receiver.event('listening'))['port']);
        const crowd = room.keep(new Crowd(port, 300, [silent]));
        await crowd.has(600);
        await room.expectStillReceives({ process: receiver, port });
        crowd.close();
      })(),
    60_000,
  );

  it(
    'without descriptors left goes on when there are some again',
    inRoom(async (room) => {
      const few: Launcher = ['sh', '-c', 'ulimit -n 90; exec "$0" "$@"'];
      const receiver = room.run(
        ['receive', '--listen', '127.0.0.1:0', '--out', room.out, '--once'],
        few,
      );
      const port = Number((await receiver.event('listening'))['port']);
      const crowd = new Crowd(port, 300, [silent]);
      await crowd.has(600);
      crowd.close();
      await room.expectStillReceives({ process: receiver, port });
    }),
    60_000,
  );
});
