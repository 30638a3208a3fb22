import { promises as fs } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  expectArrived,
  expectSource,
  folderOf,
  mebibyte,
  noted,
  notes,
  receiveBundles,
  someFiles,
} from './bundle-room.js';
import { canMount, mustMount, onTmpfs, seenBy } from './mounts.js';
import { dropped, inRoom, type Room } from './room.js';
import { until } from './until.js';

/** Several processes each, on machines that may be busy. */
const timeoutMs = 90_000;

const slow = ['--bundle', '--bytes-per-second', '4M'];
const minuteMs = 60_000;
const staging = '.web.pageferry-bundle';
const skipped = canMount ? '' : ' (skipped: nothing can be mounted here)';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** HH:MM. */
function timeOf(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes()].map((n) => `${n}`.padStart(2, '0')).join(':');
}

/** So much of the bundle's first disk has arrived. */
async function received(room: Room, bytes: number): Promise<void> {
  const partial = join(room.inbox, staging, '.disk.img.pageferry-partial');
  await until('some has arrived', async () => {
    const { blocks } = await fs.stat(partial).catch(() => ({ blocks: 0 }));
    return blocks * 512 >= bytes;
  });
}

/** Shell that waits for this file to be there, or for the room to be gone: whoever started it may have been killed. */
function untilThere(room: Room, file: string): string {
  return `while test -d '${room.folder}' && ! test -e '${room.path(file)}'; do sleep 0.05; done`;
}

/** A command that waits, once it was told. */
function waits(room: Room, file: string): string {
  return notes(room, 'told', untilThere(room, file));
}

async function told(room: Room, count: number): Promise<void> {
  await until('the command is told', async () => (await noted(room, 'told')).length === count);
}

async function stateOf(room: Room): Promise<unknown> {
  const { events } = await room.run(['bundles', room.inbox]).ended();
  return events.map(({ name, state }) => [name, state]);
}

describe.concurrent('a bundle', { timeout: timeoutMs }, () => {
  it(
    'whose receiver is killed and started again goes on with what is there',
    inRoom(async (room) => {
      const files = someFiles(1, 6);
      const folder = await folderOf(room, 'web', files);
      const port = await freePort();
      const receive = ['receive', '--out-dir', room.inbox, '--listen', `127.0.0.1:${port}`];
      const first = room.run(receive);
      await first.event('listening');
      const source = room.send(folder, port, ...slow, '--max-outage', '60');
      await received(room, 2 * mebibyte);
      first.signal('SIGKILL');
      await first.ended();
      expect(await stateOf(room)).toEqual([['web', 'partial']]);
      await source.event('interrupted');
      const second = room.run([...receive, '--once']);
      const { samePages } = await source.event('compared');
      expect(samePages).toBeGreaterThanOrEqual(512);
      expect(await source.ended()).toMatchObject({ code: 0, last: { interruptions: 1 } });
      expect(await second.ended()).toMatchObject({ code: 0, last: { state: 'registered' } });
      await expectArrived(room, 'web', files);
      expect(await fs.readdir(room.inbox)).toEqual(['web']);
    }),
  );

  it(
    'whose source is killed and started again goes on with what was kept, days later too',
    inRoom(async (room) => {
      const files = someFiles(2, 6);
      const folder = await folderOf(room, 'web', files);
      const first = await receiveBundles(room, '--keep-partial', '--max-outage', '1');
      const killed = room.send(folder, first.port, ...slow);
      await received(room, 2 * mebibyte);
      killed.signal('SIGKILL');
      expect(await dropped(first)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      first.process.signal('SIGTERM');
      await first.process.ended();
      await expectSource(folder, files);
      const partial = join(room.inbox, staging, '.disk.img.pageferry-partial');
      const before = new Date(Date.now() - 9 * 86_400_000);
      await fs.utimes(partial, before, before);
      // What no bundle of this name has any more is not in it in the end.
      await fs.writeFile(join(room.inbox, staging, 'stray'), 'x');
      const second = await receiveBundles(room, '--keep-partial', '--once');
      const sent = await room.send(folder, second.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed' } });
      const compared = sent.events.find(({ type }) => type === 'compared');
      expect(compared?.['samePages']).toBeGreaterThanOrEqual(512);
      await expectArrived(room, 'web', files);
    }),
  );

  it(
    'that did not complete is removed once it was kept long enough, or at once',
    inRoom(async (room) => {
      const files = someFiles(3, 6);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--max-outage', '1');
      const killed = room.send(folder, receiver.port, ...slow);
      await received(room, mebibyte);
      killed.signal('SIGKILL');
      await dropped(receiver);
      await room.expectEmptyInbox();
    }),
  );

  it(
    'whose source is killed while it is being registered stays aside, and is taken for arrived when it is sent again',
    inRoom(async (room) => {
      const files = someFiles(4);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--register', waits(room, 'go'));
      const killed = room.send(folder, receiver.port, '--bundle');
      await told(room, 1);
      killed.signal('SIGKILL');
      await killed.ended();
      await expectSource(`${folder}.moving`, files);
      await expect(fs.stat(folder)).rejects.toThrow('ENOENT');
      await room.file('go', '');
      await receiver.process.event('received');
      const again = await room.send(folder, receiver.port, '--bundle').ended();
      expect(again).toMatchObject({ code: 0, last: { pagesSent: 0, source: { state: 'moved' } } });
      expect(await noted(room, 'told')).toHaveLength(1);
      await expectArrived(room, 'web', files);
      const left = (await fs.readdir(room.folder)).filter((name) => name.startsWith('web'));
      expect(left).toEqual([expect.stringMatching(/^web\.moved-/)]);
    }),
  );

  it(
    'that may be at its destination stays aside when sending it again fails',
    inRoom(async (room) => {
      const files = someFiles(5);
      const folder = await folderOf(room, 'web.moving', files);
      const sent = await room.send(room.path('web'), 1, '--bundle').ended();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_CONNECTION_LOST' } });
      expect(sent.events).toContainEqual({ type: 'source', state: 'moving', path: folder });
      await expectSource(folder, files);
    }),
  );

  it(
    'whose receiver is killed while it is being registered is unclean, and the one it replaces is kept until it is verified',
    inRoom(async (room) => {
      const files = someFiles(6);
      const folder = await folderOf(room, 'web', files);
      const port = await freePort();
      const where = ['--out-dir', room.inbox, '--listen', `127.0.0.1:${port}`];
      // Only the second registration waits.
      const line = `read -r line; echo "$line" >> '${room.path('told')}'`;
      const wait = untilThere(room, 'go');
      const register = ['--register', `${line}; case "$line" in *newer*) ${wait};; esac`];
      const first = room.run(['receive', ...where, '--replace', ...register]);
      await first.event('listening');
      await room.send(folder, port, '--bundle', '--keep-source').ended();
      const newer = { ...files, 'etc/machine.conf': 'changed' };
      const said = { 'bundle.json': '{"description":"newer"}' };
      await folderOf(room, 'web', { ...newer, ...said });
      const source = room.send(folder, port, '--bundle', '--max-outage', '60');
      await told(room, 3);
      first.signal('SIGKILL');
      await first.ended();
      await source.event('in-doubt');
      source.signal('SIGKILL');
      await source.ended();
      expect(await stateOf(room)).toEqual([['web', 'unclean']]);
      expect((await fs.readdir(room.inbox)).sort()).toEqual(['.web.pageferry-old', 'web']);
      await expectArrived(room, 'web', newer);
      await expectSource(`${folder}.moving`, newer);

      // Which of the two is right its operator says.
      const second = await receiveBundles(room, '--replace');
      const refused = await room.send(folder, second.port, '--bundle').ended();
      expect(refused).toMatchObject({ code: 3, last: { code: 'ERR_IO' } });
      expect(refused.last?.['message']).toContain('--verify web');
      const verified = await room.run(['bundles', room.inbox, '--verify', 'web']).ended();
      expect(verified).toMatchObject({ code: 0, last: { state: 'registered' } });
      expect(await fs.readdir(room.inbox)).toEqual(['web']);
      const again = await room.send(folder, second.port, '--bundle').ended();
      expect(again).toMatchObject({ code: 0, last: { pagesSent: 0, source: { state: 'moved' } } });
    }),
  );

  it(
    'whose receiver is killed while it is being registered and had a journal is there, unclean, when that is started again',
    inRoom(async (room) => {
      const files = someFiles(11);
      const folder = await folderOf(room, 'web', files);
      const port = await freePort();
      const where = ['--out-dir', room.inbox, '--listen', `127.0.0.1:${port}`];
      const receive = ['receive', ...where, '--journal', room.path('journal')];
      const first = room.run([...receive, '--register', waits(room, 'go')]);
      await first.event('listening');
      const source = room.send(folder, port, '--bundle');
      await told(room, 1);
      first.signal('SIGKILL');
      await first.ended();
      await source.event('in-doubt');
      room.run(receive);
      expect(await source.ended()).toMatchObject({ code: 0, last: { source: { state: 'moved' } } });
      expect(await stateOf(room)).toEqual([['web', 'unclean']]);
      await expectArrived(room, 'web', files);
    }),
  );

  it(
    'whose receiver is told to end while it is being registered is rolled back',
    inRoom(async (room) => {
      const files = someFiles(10);
      const folder = await folderOf(room, 'web', files);
      // It does not wait to be told that nothing is registered any more.
      const line = `read -r line; echo "$line" >> '${room.path('told')}'`;
      const register = [
        '--register',
        `${line}; case "$line" in *unregister*) ;; *) sleep 60;; esac`,
      ];
      const receiver = await receiveBundles(room, ...register);
      const source = room.send(folder, receiver.port, '--bundle');
      await told(room, 1);
      receiver.process.signal('SIGTERM');
      expect(await source.ended()).toMatchObject({
        code: 1,
        last: { type: 'failed', code: 'ERR_START_FAILED', side: 'destination' },
      });
      expect(await receiver.process.ended()).toMatchObject({ code: 143 });
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        ...['register', 'unregister'],
      ]);
      await room.expectEmptyInbox();
      await expectSource(folder, files);
    }),
  );

  it(
    'stops when its window closes, and goes on with what was kept when it opens again',
    inRoom(async (room) => {
      const files = someFiles(9, 6);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--keep-partial', '--once');
      const now = Date.now();
      const window = `${timeOf(now)}-${timeOf(now + 10 * minuteMs)}`;
      const clock = new URL('set-clock.mjs', import.meta.url).href;
      const steps = JSON.stringify([15 * minuteMs, (24 * 60 - 10) * minuteMs]);
      const launcher = ['env', `NODE_OPTIONS=--import=${clock}`, `CLOCK_STEPS=${steps}`];
      const quiesced = ['--before', notes(room, 'told'), '--undo', notes(room, 'told')];
      const rate = ['--bytes-per-second', '600K'];
      const target = `127.0.0.1:${receiver.port}`;
      const source = room.run(
        ['send', '--bundle', folder, target, '--window', window, ...rate, ...quiesced],
        launcher,
      );
      await received(room, mebibyte / 2);
      source.signal('SIGUSR2');
      await source.event('window-closed');
      await source.event('waiting');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_ABORTED' });
      await expectSource(folder, files);
      source.signal('SIGUSR2');
      expect(await source.ended()).toMatchObject({ code: 0, last: { type: 'completed' } });
      const compared = source.events.find(({ type }) => type === 'compared');
      expect(compared?.['samePages']).toBeGreaterThanOrEqual(128);
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        ...['before', 'undo', 'before'],
      ]);
      await expectArrived(room, 'web', files);
    }),
  );

  it(
    'waits for its window, or its time, and can be cancelled meanwhile',
    inRoom(async (room) => {
      const files = someFiles(8);
      const folder = await folderOf(room, 'web', files);
      const soon = Date.now() + 2 * minuteMs;
      const window = `${timeOf(soon)}-${timeOf(soon + minuteMs)}`;
      const waiting = room.send(folder, 1, '--bundle', '--window', window);
      expect(await waiting.event('waiting')).toMatchObject({ untilMs: expect.any(Number) });
      waiting.signal('SIGINT');
      expect(await waiting.ended()).toMatchObject({ code: 130, last: { code: 'ERR_ABORTED' } });
      await expectSource(folder, files);
      const at = new Date(Date.now() + 800).toISOString();
      const receiver = await receiveBundles(room, '--once');
      const sent = await room.send(folder, receiver.port, '--bundle', '--at', at).ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(at));
    }),
  );
});

describe.skipIf(!canMount && !mustMount)(
  `a disk that is full${skipped}`,
  { timeout: timeoutMs },
  () => {
    it.each([
      { what: 'at once', size: '1m', more: [] },
      { what: 'in the middle', size: '3m', more: ['--sparse'] },
    ])('$what rolls everything back', ({ size, more }) =>
      inRoom(async (room) => {
        const files = someFiles(7, 6);
        const folder = await folderOf(room, 'web', files);
        const args = ['receive', '--listen', '127.0.0.1:0', '--out-dir', room.inbox, ...more];
        const receiver = room.run(args, onTmpfs(room.inbox, `size=${size}`));
        const port = Number((await receiver.event('listening'))['port']);
        const sent = await room.send(folder, port, '--bundle').ended();
        expect(sent.last).toMatchObject({ type: 'failed', code: 'ERR_DISK_FULL' });
        const inbox = seenBy(receiver, room.inbox);
        await until('nothing is left', async () => (await fs.readdir(inbox)).length === 0);
        await expectSource(folder, files);
      })(),
    );
  },
);
