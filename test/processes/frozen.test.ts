import { promises as fs } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newToken } from '../../src/index.js';
import { Random } from '../reference/random.js';
import type { PageferryProcess } from './command.js';
import { FrameProxy } from './proxy.js';
import { dropped, inRoom, type Receiver, type Room } from './room.js';
import { until } from './until.js';

interface Transfer {
  readonly receiver: Receiver;
  readonly source: PageferryProcess;
  readonly proxy: FrameProxy;
}

/** A transfer that is in the middle of its pages. */
async function inTheMiddle(room: Room): Promise<Transfer> {
  const receiver = await room.receive('--once');
  const proxy = room.keep(await FrameProxy.open(receiver.port, () => 'pass'));
  const file = await room.file('image', new Random(5).bytes(16 << 20));
  const source = room.send(file, proxy.port, '--bytes-per-second', '1M');
  await source.event('progress', ({ sentBytes }) => Number(sentBytes) > 100_000);
  return { receiver, source, proxy };
}

async function expectNothingLeft(room: Room): Promise<void> {
  await until('nothing is left', async () => (await fs.readdir(room.inbox)).length === 0);
}

describe.concurrent('in the middle of pages', () => {
  it(
    'a source whose receiver is frozen gives up, and the receiver, thawed, takes the next image',
    inRoom(async (room) => {
      const { receiver, source } = await inTheMiddle(room);
      receiver.process.signal('SIGSTOP');
      const sent = await source.gone();
      expect(sent).toMatchObject({ code: 1, last: { code: 'ERR_PEER_TIMEOUT', retryable: true } });
      receiver.process.signal('SIGCONT');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await expectNothingLeft(room);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a receiver whose source is frozen drops it and takes the next image',
    inRoom(async (room) => {
      const { receiver, source } = await inTheMiddle(room);
      source.signal('SIGSTOP');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await expectNothingLeft(room);
      source.signal('SIGCONT');
      const sent = await source.gone();
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed' } });
      // It is too late to go on.
      expect(sent.last?.['code']).toMatch(/ERR_ABORTED|ERR_CONNECTION_LOST|ERR_PEER_TIMEOUT/);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a connection that cannot be made again ends both, and the receiver takes the next image',
    inRoom(async (room) => {
      const { receiver, source, proxy } = await inTheMiddle(room);
      proxy.close();
      const code = 'ERR_CONNECTION_LOST';
      expect(await source.gone()).toMatchObject({ code: 1, last: { type: 'failed', code } });
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await expectNothingLeft(room);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a killed source is lost to its receiver, which takes the next image',
    inRoom(async (room) => {
      const { receiver, source } = await inTheMiddle(room);
      source.signal('SIGKILL');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await expectNothingLeft(room);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a killed receiver is a lost connection to its source, and the next receiver sweeps what it left',
    inRoom(async (room) => {
      const { receiver, source } = await inTheMiddle(room);
      receiver.process.signal('SIGKILL');
      const code = 'ERR_CONNECTION_LOST';
      expect(await source.gone()).toMatchObject({ code: 1, last: { type: 'failed', code } });
      expect(await fs.readdir(room.inbox)).toEqual(['.copy.img.pageferry-partial']);
      await room.expectStillReceives(await room.receive('--once'));
    }),
  );
});

describe.concurrent('a connection that is lost', () => {
  it(
    'is made again as often as it takes, and the image arrives whole with little sent twice',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const proxy = room.keep(await FrameProxy.open(receiver.port, () => 'pass'));
      const image = new Random(6).bytes(8 << 20);
      const file = await room.file('image', image);
      const source = room.send(
        file,
        proxy.port,
        ...['--bytes-per-second', '4M', '--max-outage', '30'],
      );
      for (const megabytes of [1, 2, 4, 6]) {
        await source.event('progress', ({ sentBytes }) => Number(sentBytes) > megabytes * 1e6);
        proxy.cut();
      }
      const sent = await source.ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed', verified: 'memory' } });
      expect(sent.last?.['interruptions']).toBe(4);
      expect(sent.last?.['repaired']).toBe(0);
      expect(Number(sent.last?.['bytesSent'])).toBeLessThan(image.byteLength * 1.1);
      const lost = sent.events.filter(({ type }) => type === 'resumed');
      expect(lost).toHaveLength(4);
      expect(await receiver.process.gone()).toMatchObject({ code: 0 });
      await room.expectReceived(file);
    }),
    120_000,
  );

  it(
    'is gone on from by a receiver that was frozen for a while, behind TLS',
    inRoom(async (room) => {
      const token = await room.file('token', newToken());
      await fs.chmod(token, 0o600);
      const trust = ['--token-file', token, '--max-outage', '60'];
      const receiver = await room.receive('--once', ...trust);
      const file = await room.file('image', new Random(7).bytes(6 << 20));
      const source = room.send(file, receiver.port, '--bytes-per-second', '2M', ...trust);
      await source.event('progress', ({ sentBytes }) => Number(sentBytes) > 1e6);
      receiver.process.signal('SIGSTOP');
      await source.event('interrupted');
      receiver.process.signal('SIGCONT');
      const sent = await source.ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed', repaired: 0 } });
      expect(await receiver.process.gone()).toMatchObject({ code: 0 });
      await room.expectReceived(file);
    }),
    120_000,
  );
});
