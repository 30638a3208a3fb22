import { promises as fs } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Launcher } from '../command.js';
import { Random } from '../reference/random.js';
import { canMount, isRoot, mustMount, onTmpfs, seenBy, works } from './mounts.js';
import { dropped, inRoom, type Room } from './room.js';
import { until } from './until.js';

const slow = ['--bytes-per-second', '2M'];
/** Root reads everything, unless it gives that right away. */
const withoutRights: Launcher = isRoot
  ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--']
  : [];
const canGiveUpRights = withoutRights.length === 0 || works(withoutRights, 'true');

interface WrongFile {
  readonly what: string;
  readonly make: (room: Room) => Promise<string>;
}

const wrongFiles: readonly WrongFile[] = [
  { what: 'a missing file', make: async (room) => room.path('nothing') },
  { what: 'a folder', make: async (room) => room.inbox },
  { what: 'a character device', make: async () => '/dev/zero' },
];

interface Change {
  readonly what: string;
  readonly change: (path: string) => Promise<void>;
}

const changes: readonly Change[] = [
  { what: 'grows', change: (path) => fs.appendFile(path, 'more') },
  { what: 'shrinks', change: (path) => fs.truncate(path, 5000) },
  { what: 'is emptied', change: (path) => fs.truncate(path, 0) },
  {
    what: 'changes',
    change: async (path) => {
      const handle = await fs.open(path, 'r+');
      await handle.write('changed', 100);
      await handle.close();
    },
  },
  {
    what: 'is replaced',
    change: async (path) => {
      await fs.writeFile(`${path}.new`, 'new');
      await fs.rename(`${path}.new`, path);
    },
  },
];

describe.concurrent('a source', () => {
  it.each(wrongFiles)('cannot send $what, and says so before it connects', ({ make }) =>
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const sent = await room.send(await make(room), receiver.port).gone();
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed', code: 'ERR_IO' } });
      expect(sent.stderr).toMatch(/^pageferry: ERR_IO: cannot .*\n$/);
      await room.expectStillReceives(receiver);
      expect(receiver.process.events.filter(({ type }) => type === 'dropped')).toEqual([]);
    })(),
  );

  it.skipIf(!canGiveUpRights)(
    `cannot send a file it may not read${canGiveUpRights ? '' : ' (skipped: root, and no setpriv here)'}`,
    inRoom(async (room) => {
      const file = await room.file('secret', 'secret');
      await fs.chmod(file, 0);
      const sent = await room.run(['send', file, '127.0.0.1:9'], withoutRights).gone();
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed', code: 'ERR_IO' } });
    }),
  );

  it.each(changes)('gives up a file that $what while it is sent', ({ change }) =>
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const file = await room.file('image', new Random(5).bytes(6 << 20));
      const sending = room.send(file, receiver.port, ...slow);
      await sending.event('progress');
      await change(file);
      const sent = await sending.gone();
      const code = 'ERR_SOURCE_CHANGED';
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed', code, side: 'source' } });
      expect(await dropped(receiver)).toMatchObject({ code });
      await until('nothing is left', async () => (await fs.readdir(room.inbox)).length === 0);
      await room.expectStillReceives(receiver);
    })(),
  );
});

describe.concurrent('a receiver', () => {
  it(
    'says ERR_IO where its port is in use, and the one that has it goes on',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const second = room.run([
        'receive',
        ...['--listen', `127.0.0.1:${receiver.port}`, '--out', room.path('other')],
      ]);
      expect(await second.gone()).toMatchObject({ code: 1, last: { code: 'ERR_IO' } });
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'refuses an image larger than it takes, and a source ends with 3',
    inRoom(async (room) => {
      const receiver = await room.receive('--once', '--max-image', '1M');
      const file = await room.file('large', new Uint8Array(2 ** 20 + 1));
      const code = 'ERR_IMAGE_TOO_LARGE';
      const sent = await room.send(file, receiver.port).gone();
      expect(sent).toMatchObject({ code: 3, last: { type: 'failed', code } });
      expect(await dropped(receiver)).toMatchObject({ code });
      await room.expectEmptyInbox();
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'refuses a second image into the same place while the first arrives',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const file = await room.file('image', new Random(5).bytes(4 << 20));
      const first = room.send(file, receiver.port, ...slow);
      await first.event('progress');
      const second = await room.send(file, receiver.port).gone();
      expect(second).toMatchObject({ code: 3, last: { code: 'ERR_BUSY' } });
      expect(await first.gone()).toMatchObject({ code: 0 });
      expect(await receiver.process.gone()).toMatchObject({ code: 0 });
      await room.expectReceived(file);
    }),
  );

  it.skipIf(!canMount && !mustMount).each([
    ['foreseen', false],
    ['of an image that may be sparse', true],
  ])(
    `survives a full disk, %s, and takes what fits it${canMount ? '' : ' (skipped: nothing can be mounted here)'}`,
    (_, sparse) =>
      inRoom(async (room) => {
        const receiver = room.run(
          [
            ...['receive', '--listen', '127.0.0.1:0', '--out', room.out, '--once'],
            ...(sparse ? ['--sparse'] : []),
          ],
          onTmpfs(room.inbox, 'size=1m'),
        );
        const port = Number((await receiver.event('listening'))['port']);
        const file = await room.file('image', new Random(5).bytes(3 << 20));
        const sent = await room.send(file, port).gone();
        const code = 'ERR_DISK_FULL';
        expect(sent).toMatchObject({ code: sparse ? 1 : 3, last: { type: 'failed', code } });
        expect(await receiver.event('dropped')).toMatchObject({ code });
        const inbox = seenBy(receiver, room.inbox);
        await until('nothing is left', async () => (await fs.readdir(inbox)).length === 0);
        const small = await room.file('small', new Random(6).bytes(300_000));
        expect(await room.send(small, port).gone()).toMatchObject({ code: 0 });
        expect(await receiver.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      })(),
  );
});
