import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../command.js';
import { folder, run, start } from './command.js';

const counterModule = resolve('examples/lib/counter-guest.mjs');

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => done(port));
    });
  });
}

/** What the counter at `port` says, as soon as somebody answers. */
async function ask(port: number): Promise<number> {
  for (const until = performance.now() + 15_000; performance.now() < until; await sleep(5)) {
    try {
      return Number(await (await fetch(`http://127.0.0.1:${port}/`)).text());
    } catch {
      // Nobody, by now.
    }
  }
  throw new Error('nobody answers');
}

async function pair(home = folder(), module = counterModule, ill = '') {
  const [counter, listens] = [await freePort(), await freePort()];
  const env = { COUNTER_PORT: `${counter}` };
  const common = ['--name', 'counter', '--lease-dir', join(home, 'leases'), '--json'];
  const tokens = join(home, 'tokens');
  const standby = start(
    ['standby', module, ...common, '--listen', `127.0.0.1:${listens}`, '--tokens', tokens],
    env,
  );
  await standby.says(/"type":"listening"/);
  const primary = start(['protect', module, ...common, '--peer', `127.0.0.1:${listens}`], {
    ...env,
    ILL: ill,
  });
  await primary.says(/"type":"joined"/);
  return { primary, standby, counter, tokens };
}

describe('protect and standby', () => {
  it('go on elsewhere when the primary is killed, with all that it had answered', async () => {
    const { primary, standby, counter, tokens } = await pair();
    let last = 0;
    for (let request = 0; request < 20; request += 1) last = await ask(counter);
    primary.signal('SIGKILL');
    expect(await ask(counter)).toBe(last + 1);
    expect(readFileSync(tokens, 'utf8')).toBe('2\n');
    standby.signal('SIGTERM');
    const { exit, stdout } = await standby.finished;
    expect(exit).toBe(0);
    const types = eventsOf(stdout).map(({ type }) => type);
    expect(types.slice(0, 2)).toEqual(['listening', 'following']);
    expect(types).toContain('promoted');
  });

  it('hand over when the primary is told to end', async () => {
    const { primary, standby, counter } = await pair();
    const last = await ask(counter);
    primary.signal('SIGTERM');
    expect((await primary.finished).exit).toBe(0);
    expect(await ask(counter)).toBe(last + 1);
    standby.signal('SIGTERM');
    expect((await standby.finished).exit).toBe(0);
  });

  it('hand over a guest whose probes fail', async () => {
    const home = folder();
    const [module, ill] = [join(home, 'guest.mjs'), join(home, 'ill')];
    const check = `() => !process.env.ILL || !existsSync(process.env.ILL)`;
    writeFileSync(
      module,
      `import { existsSync } from 'node:fs';
      export * from ${JSON.stringify(pathToFileURL(counterModule))};
      export const health = { everyMs: 20, probes: [{ type: 'function', check: ${check} }] };
      export const announce = ({ token }) => console.error('announced ' + token);`,
    );
    const { primary, standby, counter } = await pair(home, module, ill);
    const last = await ask(counter);
    writeFileSync(ill, '');
    const { exit, stderr, stdout } = await primary.finished;
    expect([exit, stderr]).toEqual([1, expect.stringContaining('function: it says so itself')]);
    expect(eventsOf(stdout).map(({ type }) => type)).toContain('resigned');
    expect(await ask(counter)).toBe(last + 1);
    standby.signal('SIGTERM');
    const after = await standby.finished;
    expect([after.exit, after.stderr]).toEqual([0, expect.stringContaining('announced 2')]);
  });

  it('refuse to begin a guest anew that others may have', async () => {
    const { primary, standby, counter } = await pair();
    await ask(counter);
    primary.signal('SIGKILL');
    standby.signal('SIGKILL');
    await Promise.all([primary.finished, standby.finished]);
    const leases = join(folder(), 'leases');
    mkdirSync(leases, { mode: 0o700 });
    const again = ['--name', 'counter', '--lease-dir', leases, '--json'];
    // Another folder knows nothing of it.
    const other = start(['protect', counterModule, ...again], { COUNTER_PORT: `${counter}` });
    await other.says(/"type":"leading"/);
    const second = await run('protect', counterModule, ...again);
    expect([second.exit, second.stderr]).toEqual([1, expect.stringContaining('ERR_FENCED')]);
    other.signal('SIGTERM');
    await other.finished;
    const third = await run('protect', counterModule, ...again);
    expect([third.exit, third.stderr]).toEqual([1, expect.stringContaining('ERR_FENCED')]);
  });

  it('say what is wrong with a module, or missing', async () => {
    const home = folder();
    const empty = join(home, 'empty.mjs');
    writeFileSync(empty, '');
    const leases = ['--name', 'x', '--lease-dir', join(home, 'leases')];
    for (const [args, about] of [
      [['protect', empty, ...leases], 'create()'],
      [['protect', join(home, 'none.mjs'), ...leases], 'cannot load'],
      [['protect', counterModule, '--name', 'x'], '--lease-dir'],
      [['protect', counterModule, ...leases, '--member', 'ä'], '--member'],
      [['protect', counterModule, '--name', '..', '--lease-dir', join(home, 'l')], 'name'],
      [['standby', counterModule, ...leases], '--listen'],
    ] as const) {
      const { exit, stderr } = await run(...args);
      expect([exit, stderr]).toEqual([2, expect.stringContaining(about)]);
    }
  });
});
