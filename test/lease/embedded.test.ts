import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { embeddedLease } from '../../src/lease/embedded.js';
import { describeConformance, Holder, recordOf, type TestEngine, until } from './conformance.js';

const module = fileURLToPath(new URL('./embedded-module.mjs', import.meta.url));
const ttlMs = 300;

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pageferry-lease-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'leases');
}

async function makeEngine(): Promise<TestEngine> {
  const folder = makeFolder();
  return {
    module,
    options: { folder, ttlMs },
    provider: async () => {
      const lease = await embeddedLease({ folder, ttlMs });
      onTestFinished(() => lease.close());
      return lease;
    },
  };
}

/** Whether a flock(1) has the file open. */
function isWaitedFor(path: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      const isFlock = readFileSync(`/proc/${pid}/comm`, 'latin1') === 'flock\n';
      return isFlock && readlinkSync(`/proc/${pid}/fd/3`) === path;
    } catch {
      return false;
    }
  });
}

/** Of unshare(1): a process namespace of its own. */
const apart = ['--pid', '--fork'];

/** Whether processes can have a namespace of their own here. */
function canUnshare(): boolean {
  if (spawnSync('unshare', [...apart, 'true']).status === 0) return true;
  if (process.env['CI'] === 'true') throw new Error('unshare --pid does not work here');
  console.warn('skipped: unshare --pid does not work here');
  return false;
}

describeConformance('the embedded engine', makeEngine);

describe('the embedded engine', () => {
  it('kills who hangs before another takes over', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const holder = new Holder(engine, 'g', 'a');
    await until(() => holder.won.length > 0);
    holder.signal('SIGSTOP');
    await until(async () => (await lease.read('g')).alive === undefined);
    const { revision: expected } = await lease.read('g');
    expect(holder.isGone).toBe(false);
    const record = recordOf('b', 2n);
    await lease.swap('g', { expected, record, unlessAlive: true });
    await until(() => holder.isGone);
  });

  it('kills who hangs while it changes the record', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const { folder } = engine.options as { readonly folder: string };
    const holder = new Holder(engine, 'g', 'a', [], 'change');
    await until(() => holder.won.length > 0);
    const isTurn = (): boolean =>
      spawnSync('flock', ['-n', '-x', join(folder, 'g/turn'), 'true']).status !== 0;
    await until(async () => {
      holder.signal('SIGCONT');
      await sleep(10 * Math.random());
      holder.signal('SIGSTOP');
      // By a flock(1) that waits for it, perhaps.
      await sleep(20);
      return isTurn();
    });
    await until(async () => (await lease.read('g')).alive === undefined);
    const { revision: expected } = await lease.read('g');
    const swap = { expected, record: recordOf('b', 2n), unlessAlive: true };
    expect((await lease.swap('g', swap)).type).toBe('won');
    await until(() => holder.isGone);
  });

  it('never kills whoever has the number of a process that is gone', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const holder = new Holder(engine, 'g', 'a');
    await until(() => holder.won.length > 0);
    holder.signal('SIGKILL');
    await until(() => holder.isGone);
    // As if its number had been given to this process.
    const { folder } = engine.options as { readonly folder: string };
    const path = join(folder, 'g', 'alive.1');
    const said = { pid: process.ppid, startTime: '1', boot: 'x', pidNamespace: 'y' };
    writeFileSync(path, `${'0'.repeat(19)}\n${JSON.stringify(said)}\n`);
    const { revision: expected } = await lease.read('g');
    const outcome = await lease.swap('g', {
      expected,
      record: recordOf('b', 2n),
      unlessAlive: true,
    });
    expect(outcome.type).toBe('won');
  });

  it('does not kill, and gives to nobody, what somebody in another process namespace holds', async () => {
    if (!canUnshare()) return;
    const engine = await makeEngine();
    const lease = await engine.provider();
    const inside = { ...engine, module: engine.module };
    const holder = new Holder(inside, 'g', 'a', [
      'unshare',
      ...apart,
      '--mount-proc',
      '--kill-child',
    ]);
    await until(() => holder.won.length > 0);
    holder.freeze();
    await until(async () => (await lease.read('g')).alive === undefined);
    const { revision: expected } = await lease.read('g');
    const swap = { expected, record: recordOf('b', 2n), unlessAlive: true };
    await expect(lease.swap('g', swap)).rejects.toMatchObject({
      code: 'ERR_LEASE_UNKNOWN',
      message: expect.stringContaining('namespace'),
    });
    holder.signal('SIGKILL');
    await until(async () => {
      const outcome = await lease.swap('g', swap).catch(() => undefined);
      return outcome?.type === 'won';
    });
  });

  it('is not to be had where /proc counts the processes of another namespace', async () => {
    if (!canUnshare()) return;
    const program = `import { make } from ${JSON.stringify(module)};
      await make({ folder: ${JSON.stringify(makeFolder())} }).catch(({ code }) => console.log(code));`;
    const args = [...apart, process.execPath, '--input-type=module', '-e', program];
    expect(spawnSync('unshare', args, { encoding: 'utf8' }).stdout).toBe('ERR_UNSUPPORTED\n');
  });

  it('says that it does not know where the record is none, and writes nothing over it', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const { folder } = engine.options as { readonly folder: string };
    mkdirSync(join(folder, 'g'), { mode: 0o700 });
    for (const text of ['', 'x', '1', '1\n', '0\n{}', '1\n{"version":2}']) {
      writeFileSync(join(folder, 'g/owner'), text);
      await expect(lease.read('g')).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
      const swap = { expected: 0n, record: recordOf('a', 1n), unlessAlive: true };
      await expect(lease.swap('g', swap)).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
      await expect(lease.read('g')).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
    }
  });

  it('refuses a folder that others can write to', async () => {
    const folder = makeFolder();
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    await expect(embeddedLease({ folder })).rejects.toMatchObject({ code: 'ERR_IO' });
    writeFileSync(join(folder, 'file'), '');
    await expect(embeddedLease({ folder: join(folder, 'file') })).rejects.toMatchObject({
      code: 'ERR_IO',
    });
    await expect(embeddedLease({ folder, ttlMs: 1 })).rejects.toBeInstanceOf(RangeError);
  });

  it('gives to nobody what another thread of this process holds, and does not kill it', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const program = new URL('./holder.mjs', import.meta.url);
    const argv = [module, JSON.stringify(engine.options), 'g', 'a'];
    const thread = new Worker(program, { argv, stdin: true, stdout: true });
    onTestFinished(async () => void (await thread.terminate()));
    await until(async () => (await lease.read('g')).alive === 1n);
    thread.stdin?.write('freeze');
    await until(async () => (await lease.read('g')).alive === undefined);
    const { revision: expected } = await lease.read('g');
    const swap = { expected, record: recordOf('b', 2n), unlessAlive: true };
    await expect(lease.swap('g', swap)).rejects.toMatchObject({
      code: 'ERR_LEASE_UNKNOWN',
      message: expect.stringContaining('thread'),
    });
    await thread.terminate();
    expect((await lease.swap('g', swap)).type).toBe('won');
  });

  it('gives to nobody what somebody holds of whom nothing can be read', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const holder = new Holder(engine, 'g', 'a');
    await until(() => holder.won.length > 0);
    holder.signal('SIGSTOP');
    const { folder } = engine.options as { readonly folder: string };
    truncateSync(join(folder, 'g', 'alive.1'), 30);
    const { revision: expected, alive } = await lease.read('g');
    expect(alive).toBeUndefined();
    const swap = { expected, record: recordOf('b', 2n), unlessAlive: true };
    await expect(lease.swap('g', swap)).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
    expect(holder.isGone).toBe(false);
    holder.signal('SIGKILL');
    await until(async () => {
      const outcome = await lease.swap('g', swap).catch(() => undefined);
      return outcome?.type === 'won';
    });
  });

  it('holds nothing once it is closed, whatever was on its way', async () => {
    const { provider, options } = await makeEngine();
    const lease = await provider();
    const swap = { expected: 0n, record: recordOf('a', 1n), unlessAlive: true };
    const swapped = lease.swap('g', swap);
    await lease.close();
    await swapped.catch(() => {});
    const { folder } = options as { readonly folder: string };
    expect(readdirSync(join(folder, 'g'))).not.toContain('alive.1');
  });

  it('leaves nobody behind who waits for a lock, when the process that did is killed', async () => {
    const engine = await makeEngine();
    const { folder } = engine.options as { readonly folder: string };
    const owner = new Holder(engine, 'g', 'a');
    await until(() => owner.won.length > 0);
    const program = `import { make } from ${JSON.stringify(module)};
      (await make(${JSON.stringify(engine.options)})).watch('g', () => {});
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    onTestFinished(() => void child.kill('SIGKILL'));
    await until(() => isWaitedFor(join(folder, 'g/alive.1')));
    child.kill('SIGKILL');
    await until(() => !isWaitedFor(join(folder, 'g/alive.1')));
  });

  it('leaves no files of leases that ended', async () => {
    const engine = await makeEngine();
    const lease = await engine.provider();
    const { folder } = engine.options as { readonly folder: string };
    let expected = 0n;
    for (const generation of [1n, 2n, 3n]) {
      const record = recordOf('a', generation);
      const outcome = await lease.swap('g', { expected, record, unlessAlive: false });
      if (outcome.type === 'won') expected = outcome.revision;
    }
    expect(readdirSync(join(folder, 'g')).sort()).toEqual(['alive.3', 'owner', 'turn']);
  });
});
