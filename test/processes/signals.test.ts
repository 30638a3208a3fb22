import { describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import type { PageferryProcess } from './command.js';
import { listenRaw } from './fake-destination.js';
import { FrameProxy, type Tamper } from './proxy.js';
import { dropped, inRoom, type Receiver, type Room } from './room.js';

interface Scene {
  readonly receiver: Receiver;
  readonly source: PageferryProcess;
  readonly proxy: FrameProxy;
  readonly file: string;
}

/** Two processes with a proxy between them that does `tamper`. */
async function between(room: Room, tamper: Tamper, ...options: string[]): Promise<Scene> {
  const receiver = await room.receive('--once');
  const proxy = room.keep(await FrameProxy.open(receiver.port, tamper));
  const file = await room.file('image', new Random(5).bytes(4 << 20));
  return { receiver, proxy, file, source: room.send(file, proxy.port, ...options) };
}

const holding =
  (type: string): Tamper =>
  (frame) =>
    frame.type === type ? 'hold' : 'pass';

async function inHandshake(room: Room): Promise<Scene> {
  const scene = await between(room, holding('HELLO_ACK'));
  await scene.proxy.saw('HELLO_ACK');
  return scene;
}

async function inPages(room: Room): Promise<Scene> {
  const scene = await between(room, () => 'pass', '--bytes-per-second', '1M');
  await scene.source.event('progress', ({ sentBytes }) => Number(sentBytes) > 100_000);
  return scene;
}

/** READY was given, COMMIT is on its way. */
async function beforeCommit(room: Room): Promise<Scene> {
  const scene = await between(room, holding('COMMIT'));
  await scene.proxy.saw('COMMIT');
  return scene;
}

/** The image is in its place, and the source does not hear of it. */
async function afterCommit(room: Room): Promise<Scene> {
  const scene = await between(room, ({ type }) => (type === 'RUNNING' ? 'swallow' : 'pass'));
  await scene.receiver.process.event('completed');
  return scene;
}

const signals = [
  { name: 'SIGINT', exit: 130 },
  { name: 'SIGTERM', exit: 143 },
] as const;

describe.concurrent.each(signals)('$name', ({ name, exit }) => {
  const aborted = { code: exit, last: { type: 'failed', code: 'ERR_ABORTED' } };

  it(
    'ends a source that has not found its destination yet',
    inRoom(async (room) => {
      const nobody = await listenRaw(() => {});
      nobody.close();
      const file = await room.file('image', 'content');
      const source = room.send(file, nobody.port, '--retries', '20');
      await source.event('retrying');
      source.signal(name);
      expect(await source.gone()).toMatchObject(aborted);
    }),
  );

  it(
    'ends a receiver that nobody came to',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      receiver.process.signal(name);
      const ended = await receiver.process.gone();
      expect(ended).toMatchObject(aborted);
      expect(ended.last).toMatchObject({ side: 'destination' });
      await room.expectEmptyInbox();
    }),
  );

  it(
    'ends a source in the handshake, and its receiver takes the next image',
    inRoom(async (room) => {
      const { source, receiver } = await inHandshake(room);
      source.signal(name);
      expect(await source.gone()).toMatchObject(aborted);
      expect((await dropped(receiver))['code']).toMatch(/ERR_ABORTED|ERR_CONNECTION_LOST/);
      await room.expectEmptyInbox();
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'ends a receiver in the handshake, and its source says so',
    inRoom(async (room) => {
      const { source, receiver, proxy } = await inHandshake(room);
      receiver.process.signal(name);
      expect(await receiver.process.gone()).toMatchObject(aborted);
      proxy.release();
      const sent = await source.gone();
      expect(sent).toMatchObject({ code: 3, last: { type: 'failed', code: 'ERR_ABORTED' } });
      await room.expectEmptyInbox();
    }),
  );

  it(
    'ends a source in the middle of pages, and its receiver takes the next image',
    inRoom(async (room) => {
      const { source, receiver } = await inPages(room);
      source.signal(name);
      expect(await source.gone()).toMatchObject(aborted);
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_ABORTED' });
      await room.expectEmptyInbox();
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'ends a receiver in the middle of pages, and its source says so',
    inRoom(async (room) => {
      const { source, receiver } = await inPages(room);
      receiver.process.signal(name);
      expect(await receiver.process.gone()).toMatchObject(aborted);
      const sent = await source.gone();
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed', code: 'ERR_ABORTED' } });
      await room.expectEmptyInbox();
    }),
  );

  it(
    'comes too late for a source whose COMMIT is under way',
    inRoom(async (room) => {
      const { source, receiver, proxy, file } = await beforeCommit(room);
      source.signal(name);
      proxy.release();
      expect(await source.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(file);
    }),
  );

  it(
    'ends a source whose COMMIT nobody answers with ERR_OUTCOME_UNKNOWN, and its receiver takes the next image',
    inRoom(async (room) => {
      const { source, receiver } = await beforeCommit(room);
      source.signal(name);
      const code = 'ERR_OUTCOME_UNKNOWN';
      expect(await source.gone()).toMatchObject({ code: exit, last: { type: 'failed', code } });
      await dropped(receiver);
      await room.expectEmptyInbox();
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'ends a receiver that COMMIT has not reached, and its source cannot know',
    inRoom(async (room) => {
      const { source, receiver } = await beforeCommit(room);
      receiver.process.signal(name);
      expect(await receiver.process.gone()).toMatchObject(aborted);
      const code = 'ERR_OUTCOME_UNKNOWN';
      expect(await source.gone()).toMatchObject({ code: 1, last: { type: 'failed', code } });
      await room.expectEmptyInbox();
    }),
  );

  it(
    'ends a source that does not hear how it ended with ERR_OUTCOME_UNKNOWN; the image is there',
    inRoom(async (room) => {
      const { source, receiver, file } = await afterCommit(room);
      source.signal(name);
      const code = 'ERR_OUTCOME_UNKNOWN';
      expect(await source.gone()).toMatchObject({ code: exit, last: { type: 'failed', code } });
      expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(file);
    }),
  );

  it(
    'costs a receiver that has its image nothing; the source that does not hear of it cannot know',
    inRoom(async (room) => {
      const { source, receiver, file } = await afterCommit(room);
      receiver.process.signal(name);
      expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      const code = 'ERR_OUTCOME_UNKNOWN';
      expect(await source.gone()).toMatchObject({ code: 1, last: { type: 'failed', code } });
      await room.expectReceived(file);
    }),
  );
});

describe.concurrent('a source that was cut off behind COMMIT', () => {
  it(
    'asks, and learns that the image is there',
    inRoom(async (room) => {
      const tamper: Tamper = ({ connection, type }) =>
        connection === 1 && type === 'RUNNING' ? 'cut' : 'pass';
      const { source, receiver, file } = await between(room, tamper);
      expect(await source.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(file);
    }),
  );

  it(
    'asks, and says COMMIT again where it never arrived',
    inRoom(async (room) => {
      const tamper: Tamper = ({ connection, type }) =>
        connection === 1 && type === 'COMMIT' ? 'cut' : 'pass';
      const { source, receiver, file } = await between(room, tamper);
      expect(await source.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(file);
    }),
  );

  it(
    'says ERR_OUTCOME_UNKNOWN where no answer ever comes',
    inRoom(async (room) => {
      const { source, receiver, file } = await between(room, ({ connection, type }) =>
        type === 'RUNNING' || connection > 1 ? 'cut' : 'pass',
      );
      const sent = await source.gone();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_OUTCOME_UNKNOWN' } });
      expect(sent.events.map(({ type }) => type)).toContain('in-doubt');
      expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(file);
    }),
  );
});
