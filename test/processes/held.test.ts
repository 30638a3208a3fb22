import { promises as fs } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { newToken } from '../../src/migration/trust.js';
import { Random } from '../reference/random.js';
import { dropped, inRoom, type Room } from './room.js';

const mebibyte = 2 ** 20;
const slow = ['--bytes-per-second', '4M'];
const partial = '.copy.img.pageferry-partial';

/** An image of 8 MiB and a bit: half of it noise, a quarter zeros, a quarter one byte over and over. */
function imageOf(seed: number): Buffer {
  const image = Buffer.alloc(8 * mebibyte + 777);
  image.set(new Random(seed).bytes(4 * mebibyte));
  image.fill(0x61, 6 * mebibyte);
  return image;
}

/** `count` pages of it, evenly spread, are not what they were. */
function changed(image: Buffer, count: number): Buffer {
  const other = Buffer.from(image);
  const pages = Math.ceil(image.length / 4096);
  for (let at = 0; at < count; at++) {
    const page = Math.floor((at * pages) / count);
    other[page * 4096 + (at % 700)] = (other[page * 4096 + (at % 700)] ?? 0) ^ 1;
  }
  return other;
}

async function tokenFile(room: Room): Promise<string> {
  const path = await room.file('token', newToken());
  await fs.chmod(path, 0o600);
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function received(room: Room, bytes: number): Promise<void> {
  for (;;) {
    const { blocks } = await fs.stat(`${room.inbox}/${partial}`).catch(() => ({ blocks: 0 }));
    if (blocks * 512 >= bytes) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a receiver that is killed in the middle, and started again', () => {
  it.each([
    { how: 'plainly', options: [] },
    { how: 'by token, on two connections', options: ['--connections', '2'] },
  ])('is sent only what it has not, $how', ({ options }) =>
    inRoom(async (room) => {
      const file = await room.file('image', imageOf(1));
      const port = await freePort();
      const trust = options.length === 0 ? [] : ['--token-file', await tokenFile(room)];
      const where = ['--out', room.out, '--listen', `127.0.0.1:${port}`];
      const receive = ['receive', ...where, '--once', ...trust];
      const first = room.run(receive);
      await first.event('listening');
      const source = room.send(file, port, ...slow, '--max-outage', '60', ...options, ...trust);
      await received(room, 2 * mebibyte);
      first.signal('SIGKILL');
      await first.ended();
      await source.event('interrupted');
      const second = room.run(receive);
      expect(await source.event('compared')).toMatchObject({ totalPages: 2049 });
      const { samePages } = await source.event('compared');
      expect(samePages).toBeGreaterThanOrEqual(512);
      expect(await source.gone()).toMatchObject({
        code: 0,
        last: { type: 'completed', verified: 'memory', repaired: 0, interruptions: 1 },
      });
      expect(await second.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(file);
    })(),
  );

  it(
    'and whose file is gone is sent everything again',
    inRoom(async (room) => {
      const file = await room.file('image', imageOf(2));
      const port = await freePort();
      const receive = ['receive', '--out', room.out, '--listen', `127.0.0.1:${port}`, '--once'];
      const first = room.run(receive);
      await first.event('listening');
      const source = room.send(file, port, ...slow, '--max-outage', '60');
      await received(room, mebibyte);
      first.signal('SIGKILL');
      await first.ended();
      await fs.rm(`${room.inbox}/${partial}`);
      room.run(receive);
      const ended = await source.ended();
      expect(ended).toMatchObject({ code: 0, last: { type: 'completed', repaired: 0 } });
      expect(ended.events.some(({ type }) => type === 'compared')).toBe(false);
      await room.expectReceived(file);
    }),
  );
});

describe('a source that dies', () => {
  it(
    'leaves a base for the one that comes after it, which is never put in its place by itself',
    inRoom(async (room) => {
      const file = await room.file('image', imageOf(3));
      const receiver = await room.receive('--once', '--keep-partial', '10', '--max-outage', '1');
      const first = room.send(file, receiver.port, ...slow);
      await received(room, 2 * mebibyte);
      first.signal('SIGKILL');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      expect(await fs.readdir(room.inbox)).toEqual([partial]);
      const second = await room.send(file, receiver.port).gone();
      expect(second).toMatchObject({ code: 0, last: { type: 'completed', repaired: 0 } });
      const compared = second.events.find(({ type }) => type === 'compared');
      expect(compared?.['samePages']).toBeGreaterThanOrEqual(512);
      await room.expectReceived(file);
    }),
  );

  it(
    'leaves nothing where nothing was to be kept',
    inRoom(async (room) => {
      const file = await room.file('image', imageOf(4));
      const receiver = await room.receive('--max-outage', '1');
      const first = room.send(file, receiver.port, ...slow);
      await received(room, mebibyte);
      first.signal('SIGKILL');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await room.expectEmptyInbox();
    }),
  );
});

describe('receive --base', () => {
  it(
    'has only what differs sent, and leaves the older image as it is',
    inRoom(async (room) => {
      const older = imageOf(5);
      const file = await room.file('image', changed(older, 41));
      const base = await room.file('older', older);
      const receiver = await room.receive('--once', '--base', base);
      const sent = await room.send(file, receiver.port).gone();
      expect(sent.last).toMatchObject({ type: 'completed', pagesSent: 41, repaired: 0 });
      expect(sent.events).toContainEqual(
        expect.objectContaining({ type: 'compared', samePages: 2008, totalPages: 2049 }),
      );
      await room.expectReceived(file);
      expect((await fs.readFile(base)).equals(older)).toBe(true);
      // Its zeros are holes still.
      expect((await fs.stat(room.out)).blocks * 512).toBeLessThan(6.5 * mebibyte);
    }),
  );

  it.each([
    { what: 'shorter', length: 3 * mebibyte + 5 },
    { what: 'longer', length: 9 * mebibyte },
    { what: 'empty', length: 0 },
  ])('may be $what', ({ length }) =>
    inRoom(async (room) => {
      const image = imageOf(6);
      const file = await room.file('image', image);
      const older = Buffer.alloc(length, 0x7a);
      image.copy(older, 0, 0, Math.min(length, 2 * mebibyte));
      const base = await room.file('older', older);
      const receiver = await room.receive('--once', '--base', base);
      const sent = await room.send(file, receiver.port).gone();
      expect(sent.last).toMatchObject({ type: 'completed', repaired: 0 });
      await room.expectReceived(file);
    })(),
  );

  it(
    'may be the image that is replaced; of a folder it is the file of that name',
    inRoom(async (room) => {
      const older = imageOf(7);
      await fs.writeFile(room.out, older);
      const file = await room.file('copy.img', changed(older, 5));
      const receiver = await room.receive('--once', '--out-dir', room.inbox, '--base', room.inbox);
      const sent = await room.send(file, receiver.port).gone();
      expect(sent.last).toMatchObject({ type: 'completed', pagesSent: 5 });
      await room.expectReceived(file);
    }),
  );

  it(
    'that is not there is said before anything is received',
    inRoom(async (room) => {
      const receiver = room.run([
        ...['receive', '--listen', '127.0.0.1:0', '--out', room.out],
        ...['--base', room.path('nothing')],
      ]);
      expect(await receiver.ended()).toMatchObject({
        code: 1,
        last: { type: 'failed', code: 'ERR_IO' },
      });
    }),
  );

  it(
    'is passed over by a receiver that records, so that the recording is whole',
    inRoom(async (room) => {
      const older = imageOf(8);
      const file = await room.file('image', changed(older, 9));
      const base = await room.file('older', older);
      const recording = room.path('recording');
      const receiver = await room.receive('--once', '--base', base, '--record', recording);
      const sent = await room.send(file, receiver.port).gone();
      expect(sent.last).toMatchObject({ type: 'completed', pagesSent: 2049 });
      await receiver.process.gone();
      const replayed = await room.run(['replay', recording]).ended();
      expect(replayed.code).toBe(0);
    }),
  );
});
