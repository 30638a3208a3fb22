import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import type { PageferryProcess } from './command.js';
import { canMount, mustMount, onTmpfs, seenBy } from './mounts.js';
import { inRoom, type Room } from './room.js';
import { until } from './until.js';
import { LiveWriter } from './writer.js';

const timeoutMs = 60_000;
const imageBytes = 4 << 20;
const skipped = canMount ? '' : ' (skipped: nothing can be mounted here)';

/** A receiver into a place of which a tmpfs with these options is made, and what it holds there. */
async function receiverOn(
  room: Room,
  options: string,
  more: readonly string[] = [],
  then?: string,
): Promise<{ readonly receiver: PageferryProcess; readonly port: number }> {
  const args = ['receive', '--listen', '127.0.0.1:0', '--out', room.out, '--once', ...more];
  const receiver = room.run(args, onTmpfs(room.inbox, options, then));
  return { receiver, port: Number((await receiver.event('listening'))['port']) };
}

interface Lack {
  readonly what: string;
  readonly options: string;
  readonly code: string;
}

const lacks: readonly Lack[] = [
  { what: 'a full disk', options: 'size=1m', code: 'ERR_DISK_FULL' },
  { what: 'a disk without inodes', options: 'size=8m,nr_inodes=1', code: 'ERR_DISK_FULL' },
  { what: 'a folder that cannot be written', options: 'size=8m,ro', code: 'ERR_IO' },
];

describe.skipIf(!canMount && !mustMount).concurrent(`at the destination${skipped}`, () => {
  for (const { what, options, code } of lacks) {
    it(
      `${what} is ${code}, leaves nothing behind, and what writes the file goes on`,
      inRoom(async (room) => {
        // Told that it may be sparse, it finds out in the middle.
        const { receiver, port } = await receiverOn(room, options, ['--sparse']);
        const file = await room.file('image', new Random(31).bytes(imageBytes));
        const writer = room.keep(await LiveWriter.start(file, { perSecond: 500 }));
        const live = ['--live', '--pause-pid', `${writer.pid}`, '--max-downtime', '3000'];
        const sent = await room.send(file, port, ...live).ended();
        expect(sent.last).toMatchObject({ type: 'failed', code });
        expect(await receiver.event('dropped')).toMatchObject({ code });
        await writer.expectRunsOn();
        const inbox = seenBy(receiver, room.inbox);
        await until('nothing is left', async () => (await fs.readdir(inbox)).length === 0);
      }),
      timeoutMs,
    );
  }

  it(
    'a journal for which there is no room keeps the image from its place, and leaves nothing behind',
    inRoom(async (room) => {
      const journal = ['--journal', join(room.inbox, 'journal'), '--out', room.path('copy')];
      const fill = 'head -c 65536 /dev/zero > fill 2> /dev/null || :';
      const { receiver, port } = await receiverOn(room, 'size=16k', journal, fill);
      const file = await room.file('image', new Random(32).bytes(100_000));
      const sent = await room.send(file, port).ended();
      expect(sent).toMatchObject({ code: 1, last: { type: 'failed', code: 'ERR_START_FAILED' } });
      expect(await receiver.event('dropped')).toMatchObject({ code: 'ERR_DISK_FULL' });
      expect(await fs.readdir(seenBy(receiver, room.inbox))).toEqual(['fill']);
      await until('nothing is left of the image', async () => {
        return !(await fs.readdir(room.folder)).some((name) => name.includes('copy'));
      });
    }),
    timeoutMs,
  );

  it(
    'a recording for which there is no room ends early, and the image arrives',
    inRoom(async (room) => {
      const recording = ['--record', join(room.inbox, 'recording'), '--out', room.path('copy')];
      const { receiver, port } = await receiverOn(room, 'size=1m', recording);
      const file = await room.file('image', new Random(33).bytes(imageBytes));
      expect(await room.send(file, port).ended()).toMatchObject({ code: 0 });
      expect(await receiver.ended()).toMatchObject({ code: 0, last: { type: 'completed' } });
      expect(receiver.stderr).toContain('ENOSPC');
      expect((await fs.readFile(room.path('copy'))).equals(await fs.readFile(file))).toBe(true);
    }),
    timeoutMs,
  );
});
