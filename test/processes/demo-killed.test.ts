import { describe, expect, it } from 'vitest';
import type { PageferryProcess } from './command.js';
import { inRoom } from './room.js';
import { until } from './until.js';

const timeoutMs = 90_000;
/** So slow that it is in the middle of its pages for sure. */
const slow = ['--size', '64', '--write-rate', '5', '--bytes-per-second', '4M'];

/** The processes of a demo's guest. */
interface Children {
  readonly source: number;
  readonly destination: number;
}

async function inPages(demo: PageferryProcess): Promise<Children> {
  await demo.event('progress', ({ sentBytes }) => Number(sentBytes) > 1_000_000);
  const { source, destination } = Object((await demo.event('listening'))['processes']);
  return { source: Number(source), destination: Number(destination) };
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

async function expectBothGone({ source, destination }: Children): Promise<void> {
  await until('both children are gone', () => isGone(source) && isGone(destination));
}

describe.concurrent('a demo', () => {
  it(
    'whose destination is killed in the middle of pages says where its guest runs: at the source',
    inRoom(async (room) => {
      const demo = room.run(['demo', ...slow]);
      const children = await inPages(demo);
      process.kill(children.destination, 'SIGKILL');
      const { code, last } = await demo.gone();
      expect(code).toBe(1);
      expect(last).toMatchObject({ code: 'ERR_CONNECTION_LOST', guestRunsAt: 'source' });
      await expectBothGone(children);
    }),
    timeoutMs,
  );

  it(
    'whose source is killed in the middle of pages says that its guest is lost',
    inRoom(async (room) => {
      const demo = room.run(['demo', ...slow]);
      const children = await inPages(demo);
      process.kill(children.source, 'SIGKILL');
      const { code, last } = await demo.gone();
      expect(code).toBe(1);
      expect(last).toMatchObject({ code: 'ERR_SOURCE_LOST', guestRunsAt: null });
      await expectBothGone(children);
    }),
    timeoutMs,
  );

  it.each([
    { name: 'SIGINT', exit: 130 },
    { name: 'SIGTERM', exit: 143 },
  ] as const)(
    'gives its guest back to the source at $name, and ends',
    ({ name, exit }) =>
      inRoom(async (room) => {
        const demo = room.run(['demo', ...slow]);
        const children = await inPages(demo);
        demo.signal(name);
        const { code, last } = await demo.gone();
        expect(code).toBe(exit);
        expect(last).toMatchObject({ code: 'ERR_ABORTED', guestRunsAt: 'source' });
        await expectBothGone(children);
      })(),
    timeoutMs,
  );

  it(
    'that is killed itself leaves no process behind',
    inRoom(async (room) => {
      const demo = room.run(['demo', ...slow]);
      const children = await inPages(demo);
      demo.signal('SIGKILL');
      await expectBothGone(children);
    }),
    timeoutMs,
  );
});
