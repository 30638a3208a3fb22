import { promises as fs } from 'node:fs';
import { describe, expect, it } from 'vitest';
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
      expect((await dropped(receiver))['code']).toMatch(/ERR_CONNECTION_LOST|ERR_PEER_TIMEOUT/);
      await expectNothingLeft(room);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a receiver whose source is frozen drops it and takes the next image',
    inRoom(async (room) => {
      const { receiver, source } = await inTheMiddle(room);
      source.signal('SIGSTOP');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_PEER_TIMEOUT' });
      await expectNothingLeft(room);
      source.signal('SIGCONT');
      const sent = await source.gone();
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed' } });
      expect(sent.last?.['code']).toMatch(/ERR_CONNECTION_LOST|ERR_PEER_TIMEOUT/);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a cut connection ends both with ERR_CONNECTION_LOST, and the receiver takes the next image',
    inRoom(async (room) => {
      const { receiver, source, proxy } = await inTheMiddle(room);
      proxy.cut();
      const code = 'ERR_CONNECTION_LOST';
      expect(await source.gone()).toMatchObject({ code: 1, last: { type: 'failed', code } });
      expect(await dropped(receiver)).toMatchObject({ code });
      await expectNothingLeft(room);
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'a killed source is a lost connection to its receiver, which takes the next image',
    inRoom(async (room) => {
      const { receiver, source } = await inTheMiddle(room);
      source.signal('SIGKILL');
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
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
