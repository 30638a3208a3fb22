import { promises as fs } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import { Random } from '../reference/random.js';
import { inRoom, type Room } from './room.js';
import { LiveWriter, type WriterOptions } from './writer.js';

const times = process.env['PAGEFERRY_NIGHTLY'] === '1' ? 20 : 3;
const sizeBytes = 16 * 2 ** 20 + 1000;
const seeds = Array.from({ length: times }, (_, index) => index + 1);
const timeoutMs = 90_000;
/** A busy machine must not make a pause overrun. */
const patient = ['--max-downtime', '3000'];

interface Followed {
  readonly file: string;
  readonly writer: LiveWriter;
}

async function underLoad(room: Room, options: WriterOptions): Promise<Followed> {
  const file = await room.file('image', new Random(99).bytes(sizeBytes));
  return { file, writer: room.keep(await LiveWriter.start(file, options)) };
}

/** Follows the file; the image is the file at one moment, which is returned as the number of the last write in it. */
async function follow(
  room: Room,
  { file, writer }: Followed,
  options: readonly string[],
): Promise<{ readonly moment: number; readonly report: Readonly<Record<string, unknown>> }> {
  const receiver = await room.receive('--once');
  const sent = await room.send(file, receiver.port, '--live', ...options).ended();
  expect(sent).toMatchObject({ code: 0, last: { type: 'completed' } });
  expect(await receiver.process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
  return { moment: writer.expectMoment(await fs.readFile(room.out)), report: { ...sent.last } };
}

describe.concurrent('a live file under load', () => {
  it.for(seeds)(
    'arrives as it was while its writer stood still, which then goes on (seed %i)',
    { timeout: timeoutMs },
    (seed, { task }) =>
      inRoom(async (room) => {
        record(task, {
          what: 'a live file whose writer is stopped by its id',
          seeds: [seed],
          counts: { liveFiles: 1 },
        });
        const followed = await underLoad(room, { perSecond: 1500, seed });
        const { writer } = followed;
        const before = writer.count;
        const options = ['--pause-pid', `${writer.pid}`, ...patient];
        const { moment, report } = await follow(room, followed, options);
        expect(moment).toBeGreaterThan(before);
        expect(report).toMatchObject({ downtimeMs: expect.any(Number), verified: 'memory' });
        await writer.expectRunsOn();
      })(),
  );

  it.for(seeds)(
    'arrives as it was between two commands that stop and continue its writer (seed %i)',
    { timeout: timeoutMs },
    (seed, { task }) =>
      inRoom(async (room) => {
        record(task, {
          what: 'a live file whose writer is stopped by commands',
          seeds: [seed],
          counts: { liveFiles: 1 },
        });
        const followed = await underLoad(room, { perSecond: 1500, seed });
        const { pid } = followed.writer;
        const stop = `kill -STOP ${pid}; until grep -q ') T ' /proc/${pid}/stat; do sleep 0.01; done`;
        const options = ['--pause-cmd', stop, '--resume-cmd', `kill -CONT ${pid}`, ...patient];
        const { report } = await follow(room, followed, options);
        expect(report).toMatchObject({ downtimeMs: expect.any(Number), verified: 'memory' });
        await followed.writer.expectRunsOn();
      })(),
  );

  it.for(seeds)(
    'arrives without any pause once a pass finds nothing new (seed %i)',
    { timeout: timeoutMs },
    (seed, { task }) =>
      inRoom(async (room) => {
        record(task, {
          what: 'a live file whose writer comes to rest',
          seeds: [seed],
          counts: { liveFiles: 1 },
        });
        const last = 1500;
        const followed = await underLoad(room, { perSecond: 1500, last, seed });
        const { moment, report } = await follow(room, followed, []);
        expect(moment).toBe(last);
        // Nothing was paused: that what was captured is the whole memory is only known because a pass found nothing new.
        expect(report).toMatchObject({ downtimeMs: null, verified: 'stream' });
      })(),
  );

  it.for(seeds)(
    'is given up with ERR_NOT_CONVERGING where it never rests and nothing may pause it (seed %i)',
    { timeout: timeoutMs },
    (seed, { task }) =>
      inRoom(async (room) => {
        record(task, {
          what: 'a live file whose writer never rests',
          seeds: [seed],
          counts: { liveFiles: 1 },
        });
        const { file, writer } = await underLoad(room, { perSecond: 500, seed });
        const receiver = await room.receive('--once');
        const sent = await room.send(file, receiver.port, '--live').ended();
        const code = 'ERR_NOT_CONVERGING';
        expect(sent).toMatchObject({ code: 1, last: { type: 'failed', code } });
        await writer.expectRunsOn();
        expect(await receiver.process.event('dropped')).toMatchObject({ code });
        await room.expectEmptyInbox();
        await room.expectStillReceives(receiver);
      })(),
  );
});
