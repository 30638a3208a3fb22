import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Command, eventsOf } from '../command.js';
import { folder, receiver, start } from './command.js';

const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;
/** Takes 40 s for what is sent here: long enough to be stopped in the middle. */
const slow = ['--bytes-per-second', '100K', '--json'];

/** A transfer in the middle of its first round. */
async function underWay(...receiveOptions: readonly string[]): Promise<{
  readonly destination: Command;
  readonly source: Command;
  readonly out: string;
}> {
  const out = folder();
  const file = join(folder(), 'a.img');
  writeFileSync(file, randomBytes(4 * 2 ** 20));
  const copy = join(out, 'copy.img');
  const { running, address } = await receiver('--out', copy, '--json', ...receiveOptions);
  const source = start(['send', file, address, ...slow]);
  await source.says(/"type":"progress"/);
  await running.says(/"type":"offered"/);
  return { destination: running, source, out };
}

describe.each(signals)('%s', (signal, code) => {
  it('ends a receiver that waits', async () => {
    const { running } = await receiver('--out', join(folder(), 'x'), '--json');
    running.signal(signal);
    const { exit, stdout } = await running.finished;
    expect(exit).toBe(code);
    expect(eventsOf(stdout).map(({ type }) => type)).toEqual(['listening', 'failed']);
  });

  it('at the source ends both tries cleanly: nothing is left, the receiver waits on', async () => {
    const { destination, source, out } = await underWay();
    source.signal(signal);
    const { exit, stdout } = await source.finished;
    expect(exit).toBe(code);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'failed', code: 'ERR_ABORTED' });
    await destination.says(/"type":"dropped".*"code":"ERR_ABORTED"/);
    expect(readdirSync(out)).toEqual([]);
    destination.signal('SIGTERM');
    expect((await destination.finished).exit).toBe(143);
  });

  it('at the destination removes what arrived and tells the source', async () => {
    const { destination, source, out } = await underWay();
    destination.signal(signal);
    expect((await destination.finished).exit).toBe(code);
    expect(readdirSync(out)).toEqual([]);
    const { exit, stdout } = await source.finished;
    expect(exit).toBe(1);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'failed', side: 'destination' });
  });

  it('ends a demo and both of its processes', async () => {
    const demo = start(['demo', '--size', '16', ...slow]);
    const [, source, destination] = await demo.says(/"source":(\d+),"destination":(\d+)/);
    await demo.says(/"type":"progress"/);
    demo.signal(signal);
    const { exit, stdout } = await demo.finished;
    expect(exit).toBe(code);
    expect(eventsOf(stdout).at(-1)).toMatchObject({
      type: 'failed',
      code: 'ERR_ABORTED',
      guestRunsAt: 'source',
    });
    for (const pid of [Number(source), Number(destination)]) {
      expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    }
  });
});

it('keeps what arrived where that is asked for', async () => {
  const { destination, out } = await underWay('--keep-partial');
  destination.signal('SIGINT');
  await destination.finished;
  expect(readdirSync(out)).toEqual(['.copy.img.pageferry-partial']);
  expect(readFileSync(join(out, '.copy.img.pageferry-partial')).length).toBe(4 * 2 ** 20);
});

it('at the second signal ends at once', async () => {
  const { source, destination } = await underWay();
  // A destination that answers nothing: a clean end would wait for it.
  destination.signal('SIGSTOP');
  source.signal('SIGINT');
  // Two at once would arrive as one.
  await sleep(200);
  source.signal('SIGINT');
  expect((await source.finished).exit).toBe(130);
  destination.signal('SIGCONT');
});

describe.each(['source', 'destination'] as const)('a demo whose %s process dies', (side) => {
  it('says which, and ends the other', async () => {
    const demo = start(['demo', '--size', '16', ...slow]);
    const [, source, destination] = await demo.says(/"source":(\d+),"destination":(\d+)/);
    await demo.says(/"type":"progress"/);
    const pids = { source: Number(source), destination: Number(destination) };
    process.kill(pids[side], 'SIGKILL');
    const { exit, stdout, stderr } = await demo.finished;
    expect(exit).toBe(1);
    expect(eventsOf(stdout).at(-1)).toMatchObject({
      type: 'failed',
      code: side === 'source' ? 'ERR_SOURCE_LOST' : 'ERR_CONNECTION_LOST',
      side,
      guestRunsAt: side === 'source' ? null : 'source',
    });
    expect(stderr).toMatch(/^pageferry: ERR_[A-Z_]+: the .* process ended by SIGKILL[^\n]*\n$/m);
    for (const pid of Object.values(pids)) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});
