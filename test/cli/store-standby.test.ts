import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { folder, run, start } from './command.js';

const module = resolve('examples/lib/counter-guest.mjs');

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => done(port));
    });
  });
}

/** A primary that counts in a process of its own, and what a store that follows it is started with. */
async function room() {
  const home = folder();
  const [counter, port] = [await freePort(), await freePort()];
  const common = ['--name', 'counter', '--lease-dir', join(home, 'leases'), '--json'];
  const store = join(home, 'store');
  const ask = async (): Promise<number> =>
    Number(await (await fetch(`http://127.0.0.1:${counter}/`)).text());
  const lead = async () => {
    const args = ['protect', module, ...common, '--peer', `127.0.0.1:${port}`];
    const primary = start(args, { COUNTER_PORT: `${counter}` });
    await primary.says(/"type":"leading"/);
    return primary;
  };
  const keep = async (...args: readonly string[]) => {
    const keeper = start([
      ...['standby', '--store', store, '--keep', '60', '--every', '0.05', ...common],
      ...['--listen', `127.0.0.1:${port}`, ...args],
    ]);
    await keeper.says(/"type":"listening"/);
    return keeper;
  };
  return { home, store, ask, lead, keep };
}

/** What the counter had counted to in a snapshot. */
async function countOf(store: string, ...args: readonly string[]): Promise<number> {
  const out = join(folder(), 'back');
  const { exit, stderr } = await run('restore', `${store}/counter`, '--out', out, ...args);
  if (exit !== 0) throw new Error(stderr);
  return readFileSync(join(out, 'region/0')).readUInt32BE(0);
}

describe('standby --store', () => {
  it('keeps what a guest had answered by then, is killed and goes on, and ends with the last of it', async () => {
    const { store, ask, lead, keep } = await room();
    const first = await keep();
    const primary = await lead();
    await first.says(/"type":"stored"/);
    let last = 0;
    for (let request = 0; request < 10; request += 1) last = await ask();
    while ((await countOf(store)) < last) await sleep(10);
    const then = new Date().toISOString();
    await sleep(5);
    const more = await ask();
    while ((await countOf(store)) < more) await sleep(10);
    first.signal('SIGKILL');
    await first.finished;
    // Nobody waits for it.
    expect(await ask()).toBe(more + 1);
    const second = await keep();
    await second.says(/"type":"stored"/);
    const end = await ask();
    expect(end).toBe(more + 2);
    // The store has the last epoch that its primary had let go of.
    primary.signal('SIGTERM');
    expect((await primary.finished).exit).toBe(0);
    second.signal('SIGTERM');
    const { exit, stdout } = await second.finished;
    expect(exit).toBe(0);
    expect(stdout).not.toMatch(/"type":"un/);
    expect(await countOf(store)).toBe(end);
    expect(await countOf(store, '--at', then)).toBe(last);
    const early = await run('restore', `${store}/counter`, '--out', '/none', '--at', '1h');
    expect([early.exit, early.stderr]).toEqual([
      1,
      expect.stringMatching(/ERR_OUT_OF_RANGE.*the oldest is 1, of \d{4}-/),
    ]);
    expect((await run('verify', store)).exit).toBe(0);
  });

  it('keeps it encrypted, with the copy where it is told to have it', async () => {
    const { home, store, lead, keep } = await room();
    const key = join(home, 'key');
    writeFileSync(key, randomBytes(32).toString('base64url'), { mode: 0o600 });
    const keeper = await keep('--key-file', key, '--stage', join(home, 'stage'));
    const primary = await lead();
    await keeper.says(/"type":"stored"/);
    primary.signal('SIGTERM');
    await primary.finished;
    expect(await countOf(store, '--key-file', key)).toBe(0);
  });

  it('says what is wrong, or missing', async () => {
    const home = folder();
    const store = join(home, 'store');
    const common = [
      'standby',
      '--name',
      'x',
      '--lease-dir',
      join(home, 'l'),
      '--listen',
      '127.0.0.1:0',
    ];
    for (const [args, about] of [
      [[], '--store'],
      [['--store', store], '--keep'],
      [['--store', store, '--keep', '0'], '--keep'],
      [[module, '--store', store, '--keep', '1'], 'MODULE or --store'],
      [[module, '--keep', '1'], 'are for --store'],
      [['--store', store, '--keep', '1', '--rank', '1'], '--rank'],
      [['--store', store, '--keep', '1', '--peer', 'a:1'], '--peer'],
      [['--store', store, '--keep', '1', '--key-file', 'none'], '--stage'],
    ] as const) {
      const { exit, stderr } = await run(...common, ...args);
      expect([exit, stderr]).toEqual([2, expect.stringContaining(about)]);
    }
    const { exit, stderr } = await run('restore', store, '--out', store, '--at', 'noon');
    expect([exit, stderr]).toEqual([2, expect.stringContaining('give a time')]);
  });
});
