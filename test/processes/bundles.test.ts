import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  dropped,
  expectArrived,
  expectRolledBack,
  expectSource,
  folderOf,
  mebibyte,
  noted,
  notes,
  receiveBundles,
  someFiles,
} from './bundle-room.js';
import { inRoom } from './room.js';

/** Several processes each, on machines that may be busy. */
const timeoutMs = 90_000;

describe.concurrent('a bundle', { timeout: timeoutMs }, () => {
  it(
    'arrives whole, is registered and checked, and is set aside where it was',
    inRoom(async (room) => {
      const files = someFiles();
      const about = { description: 'a machine', tags: ['web'], network: { mac: '52:54:00' } };
      const disk = { path: 'data.raw', role: 'data', mode: 0o600 };
      const said = { ...about, limits: { cpus: 2 }, files: [disk] };
      const folder = await folderOf(room, 'web', {
        ...files,
        'bundle.json': JSON.stringify(said),
      });
      const receiver = await receiveBundles(
        room,
        ...['--once', '--register', notes(room, 'told'), '--check', notes(room, 'told')],
      );
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed', verified: 'memory' } });
      expect(await receiver.process.ended()).toMatchObject({
        code: 0,
        last: {
          type: 'completed',
          name: 'web',
          state: 'registered',
          path: join(room.inbox, 'web'),
        },
      });
      expect(await receiver.process.event('offered')).toMatchObject({ name: 'web', regions: 4 });
      await expectArrived(room, 'web', files);
      const { blocks, mode } = await fs.stat(join(room.inbox, 'web/data.raw'));
      expect(blocks * 512).toBeLessThan(mebibyte / 2);
      expect(mode & 0o777).toBe(0o600);
      const [registered, checked] = await noted(room, 'told');
      expect(registered).toMatchObject({
        type: 'register',
        name: 'web',
        folder: join(room.inbox, 'web'),
        manifest: { ...about, limits: { cpus: 2 }, clean: true },
      });
      expect(checked).toEqual({ ...registered, type: 'check' });
      const source = sent.last?.['source'];
      expect(source).toMatchObject({ state: 'moved' });
      const { path } = source as { path: string };
      expect(path).toMatch(/\/web\.moved-\d{4}-/);
      await expectSource(path, files);
      await expect(fs.stat(folder)).rejects.toThrow('ENOENT');
      const [listed] = (await room.run(['bundles', room.inbox]).ended()).events;
      expect(listed).toMatchObject({ type: 'bundle', name: 'web', state: 'registered' });
    }),
  );

  it(
    'that is kept at its source stays under its name there',
    inRoom(async (room) => {
      const files = someFiles(2);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--once');
      const sent = await room.send(folder, receiver.port, '--bundle', '--keep-source').ended();
      expect(sent).toMatchObject({ code: 0, last: { source: { state: 'kept', path: folder } } });
      await expectArrived(room, 'web', files);
      await expectSource(folder, files);
    }),
  );

  it(
    'of a dry run takes the same bytes, and leaves nothing anywhere',
    inRoom(async (room) => {
      const files = someFiles(3);
      const folder = await folderOf(room, 'web', files);
      const told = ['--register', notes(room, 'told')];
      const receiver = await receiveBundles(room, ...told);
      const before = ['--before', notes(room, 'before')];
      const dry = await room
        .send(folder, receiver.port, '--bundle', '--dry-run', ...before)
        .ended();
      expect(dry).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect(await receiver.process.event('received')).toMatchObject({ state: 'dry-run' });
      await expectRolledBack(room, folder, files);
      expect([...(await noted(room, 'told')), ...(await noted(room, 'before'))]).toEqual([]);
      const wet = await room.send(folder, receiver.port, '--bundle').ended();
      // Frames are cut by the clock: what is in them is the same.
      expect(wet.last?.['pagesByKind']).toEqual(dry.last?.['pagesByKind']);
      expect(wet.last?.['bytesByKind']).toEqual(dry.last?.['bytesByKind']);
      await expectArrived(room, 'web', files);
    }),
  );

  it(
    'goes on over several connections and with several threads',
    inRoom(async (room) => {
      const files = someFiles(4, 6);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--once');
      const wide = ['--connections', '3', '--workers', '2', '--bytes-per-second', '40M'];
      const sent = await room.send(folder, receiver.port, '--bundle', ...wide).ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed', repaired: 0 } });
      await expectArrived(room, 'web', files);
    }),
  );
});

describe.concurrent('a step that fails rolls everything back:', { timeout: timeoutMs }, () => {
  const said = "echo 'no such network' >&2; exit 3";
  it.each([
    { step: 'registration', options: ['--register'] },
    { step: 'health check', options: ['--check'] },
  ])('$step', ({ step, options }) =>
    inRoom(async (room) => {
      const files = someFiles(5);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, ...options, said);
      const undo = ['--before', notes(room, 'quiesced'), '--undo', notes(room, 'quiesced')];
      const sent = await room.send(folder, receiver.port, '--bundle', ...undo).ended();
      expect(sent).toMatchObject({
        code: 1,
        last: { type: 'failed', code: 'ERR_START_FAILED', side: 'destination' },
      });
      expect(sent.last?.['message']).toMatch(
        new RegExp(`${step}: .*ended with 3: no such network`),
      );
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_START_FAILED' });
      await expectRolledBack(room, folder, files);
      expect(await noted(room, 'quiesced')).toEqual([
        { type: 'before', folder },
        { type: 'undo', folder, code: 'ERR_START_FAILED' },
      ]);
    })(),
  );

  it(
    'a check that takes too long, and what was registered is undone',
    inRoom(async (room) => {
      const files = someFiles(6);
      const folder = await folderOf(room, 'web', files);
      const slow = ['--check', 'sleep 60', '--check-timeout', '1'];
      const receiver = await receiveBundles(room, '--register', notes(room, 'told'), ...slow);
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent.last?.['message']).toMatch(/health check: "sleep 60" took more than 1000 ms/);
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        'register',
        'unregister',
      ]);
      await expectRolledBack(room, folder, files);
    }),
  );

  it(
    'what shuts it down, and nothing is connected to',
    inRoom(async (room) => {
      const files = someFiles(7);
      const folder = await folderOf(room, 'web', files);
      const sent = await room.send(folder, 1, '--bundle', '--before', said).ended();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_GUEST', side: 'source' } });
      expect(sent.last?.['message']).toMatch(/quiesce: .*ended with 3: no such network/);
      await expectSource(folder, files);
    }),
  );

  it(
    'a file that changes while it is sent',
    inRoom(async (room) => {
      const files = someFiles(8, 8);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room);
      const slow = ['--bundle', '--bytes-per-second', '4M'];
      const source = room.send(folder, receiver.port, ...slow);
      await source.event('progress');
      await fs.appendFile(join(folder, 'disk.img'), 'more');
      expect(await source.ended()).toMatchObject({ code: 1, last: { code: 'ERR_SOURCE_CHANGED' } });
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_CHANGED' });
      await expectRolledBack(room, folder, {
        ...files,
        'disk.img': Buffer.concat([Buffer.from(files['disk.img'] ?? ''), Buffer.from('more')]),
      });
    }),
  );

  it(
    'a file that appears while the others are sent',
    inRoom(async (room) => {
      const files = someFiles(9, 4);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room);
      const slow = ['--bundle', '--bytes-per-second', '4M'];
      const source = room.send(folder, receiver.port, ...slow);
      await source.event('progress');
      await fs.writeFile(join(folder, 'new'), 'x');
      expect(await source.ended()).toMatchObject({ code: 1, last: { code: 'ERR_SOURCE_CHANGED' } });
      await expectRolledBack(room, folder, files);
    }),
  );
});

describe.concurrent('a bundle of the same name', { timeout: timeoutMs }, () => {
  it(
    'that is the very same is taken for arrived, and nothing is done',
    inRoom(async (room) => {
      const files = someFiles(10);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--register', notes(room, 'told'));
      await room.send(folder, receiver.port, '--bundle', '--keep-source').ended();
      const again = await room.send(folder, receiver.port, '--bundle').ended();
      expect(again).toMatchObject({
        code: 0,
        last: { pagesSent: 0, source: { state: 'moved' } },
      });
      const same = await receiver.process.event('received', ({ state }) => state === 'unchanged');
      expect(same).toMatchObject({ name: 'web' });
      expect(await noted(room, 'told')).toHaveLength(1);
      await expectArrived(room, 'web', files);
    }),
  );

  it.each([
    { what: 'of another size, before anything is sent', content: 'longer than before', code: 3 },
    { what: 'of the same size, once that is known', content: 'memory = 768M\n', code: 1 },
  ])('is not replaced unless that was asked for: $what', ({ content, code }) =>
    inRoom(async (room) => {
      const files = someFiles(11);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room);
      await room.send(folder, receiver.port, '--bundle', '--keep-source').ended();
      const other = { ...files, 'etc/machine.conf': content };
      await folderOf(room, 'web', other);
      const refused = await room.send(folder, receiver.port, '--bundle').ended();
      expect(refused).toMatchObject({ code, last: { code: 'ERR_IO' } });
      expect(refused.last?.['message']).toContain('--replace');
      await expectArrived(room, 'web', files);
      await expectSource(folder, other);
      expect(await fs.readdir(room.inbox)).toEqual(['web']);
    })(),
  );

  it(
    'is replaced by sending what differs',
    inRoom(async (room) => {
      const files = someFiles(12, 4);
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--replace', '--register', notes(room, 'told'));
      await room.send(folder, receiver.port, '--bundle', '--keep-source').ended();
      const disk = Buffer.from(files['disk.img'] ?? '');
      disk.fill(1, 2 * mebibyte, 2 * mebibyte + 5000);
      const newer = { 'disk.img': disk, 'data.raw': files['data.raw'] ?? '', added: 'new' };
      await fs.rm(join(folder, 'etc'), { recursive: true });
      await folderOf(room, 'web', newer);
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 0, last: { pagesSent: 3 } });
      await expectArrived(room, 'web', newer);
      expect((await fs.stat(join(room.inbox, 'web/data.raw'))).blocks * 512).toBeLessThan(mebibyte);
      expect(await fs.readdir(room.inbox)).toEqual(['web']);
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        'register',
        'unregister',
        'register',
      ]);
    }),
  );

  it(
    'is there again, registered, where the one that replaces it is not well',
    inRoom(async (room) => {
      const files = someFiles(13);
      const folder = await folderOf(room, 'web', files);
      // The first check says yes, the second no.
      const check = `test ! -e '${room.path('ill')}'`;
      const receiver = await receiveBundles(
        room,
        ...['--replace', '--register', notes(room, 'told'), '--check', check],
      );
      await room.send(folder, receiver.port, '--bundle', '--keep-source').ended();
      await room.file('ill', '');
      const newer = { ...files, 'etc/machine.conf': 'broken' };
      await folderOf(room, 'web', newer);
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_START_FAILED' } });
      await expectArrived(room, 'web', files);
      await expectSource(folder, newer);
      expect(await fs.readdir(room.inbox)).toEqual(['web']);
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        'register',
        'unregister',
        'register',
        'unregister',
        'register',
      ]);
      const [listed] = (await room.run(['bundles', room.inbox]).ended()).events;
      expect(listed).toMatchObject({ state: 'registered' });
    }),
  );
});

describe.concurrent('receive --base', { timeout: timeoutMs }, () => {
  it(
    'has only what differs from an older bundle of the name sent, and leaves that as it is',
    inRoom(async (room) => {
      const older = someFiles(17);
      const base = room.path('older');
      await folderOf(room, 'older/web', older);
      const files = { ...older, 'etc/machine.conf': 'other' };
      const folder = await folderOf(room, 'web', files);
      const receiver = await receiveBundles(room, '--base', base);
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 0, last: { pagesSent: 1 } });
      await expectArrived(room, 'web', files);
      await expectSource(join(base, 'web'), older);
    }),
  );
});

describe.concurrent('a bundle that cannot be unregistered', { timeout: timeoutMs }, () => {
  it(
    'is not replaced, and is registered again',
    inRoom(async (room) => {
      const files = someFiles(16);
      const folder = await folderOf(room, '.web', files);
      const line = `read -r line; echo "$line" >> '${room.path('told')}'`;
      const register = ['--register', `${line}; case "$line" in *unregister*) exit 5;; esac`];
      const receiver = await receiveBundles(room, '--replace', ...register);
      await room.send(folder, receiver.port, '--bundle', '--keep-source').ended();
      const newer = { ...files, 'etc/machine.conf': 'other' };
      await folderOf(room, '.web', newer);
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_START_FAILED' } });
      expect(sent.last?.['message']).toMatch(/undoing the registration: .*ended with 5/);
      await expectArrived(room, '.web', files);
      await expectSource(folder, newer);
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        ...['register', 'unregister', 'register'],
      ]);
      const { events } = await room.run(['bundles', room.inbox]).ended();
      expect(events).toMatchObject([{ name: '.web', state: 'registered' }]);
    }),
  );
});

describe.concurrent('a bundle that was shut down by force', { timeout: timeoutMs }, () => {
  it(
    'arrives unclean, is told to nobody, and is registered once it is verified',
    inRoom(async (room) => {
      const files = someFiles(14);
      const folder = await folderOf(room, 'web', files);
      const commands = ['--register', notes(room, 'told'), '--check', notes(room, 'told')];
      const receiver = await receiveBundles(room, '--once', ...commands);
      const forced = ['--before', 'exit 9', '--force'];
      const sent = await room.send(folder, receiver.port, '--bundle', ...forced).ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect((await receiver.process.ended()).last).toMatchObject({ state: 'unclean' });
      expect(await noted(room, 'told')).toEqual([]);
      const [listed] = (await room.run(['bundles', room.inbox]).ended()).events;
      expect(listed).toMatchObject({ name: 'web', state: 'unclean' });
      const verify = ['bundles', room.inbox, '--verify', 'web', ...commands];
      const ill = await room.run([...verify, '--check', 'exit 4']).ended();
      expect(ill).toMatchObject({ code: 1, last: { code: 'ERR_START_FAILED' } });
      const verified = await room.run(verify).ended();
      expect(verified).toMatchObject({ code: 0, last: { state: 'registered' } });
      expect((await noted(room, 'told')).map(({ type }) => type)).toEqual([
        'register',
        'unregister',
        'register',
        'check',
      ]);
      const without = await room
        .run(['bundles', room.inbox, '--unregister', 'web', ...commands.slice(0, 2)])
        .ended();
      expect(without).toMatchObject({ code: 0, last: { state: 'unregistered' } });
    }),
  );

  it(
    'says which file is not what arrived',
    inRoom(async (room) => {
      const folder = await folderOf(room, 'web', someFiles(15));
      const receiver = await receiveBundles(room, '--once');
      await room.send(folder, receiver.port, '--bundle', '--force').ended();
      const disk = await fs.open(join(room.inbox, 'web/disk.img'), 'r+');
      await disk.write('X', mebibyte);
      await disk.close();
      const verified = await room.run(['bundles', room.inbox, '--verify', 'web']).ended();
      expect(verified).toMatchObject({ code: 1, last: { code: 'ERR_DIGEST' } });
      expect(verified.last?.['message']).toContain('disk.img has another content');
      const [listed] = (await room.run(['bundles', room.inbox]).ended()).events;
      expect(listed).toMatchObject({ state: 'unclean' });
      await fs.appendFile(join(room.inbox, 'web/bundle.json'), ' ');
      const [damaged] = (await room.run(['bundles', room.inbox]).ended()).events;
      expect(damaged).toMatchObject({ state: 'damaged', code: 'ERR_STORE_CORRUPT' });
    }),
  );
});
