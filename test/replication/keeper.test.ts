import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import { embeddedLease } from '../../src/lease/embedded.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import { newMember } from '../../src/replication/protect.js';
import { standby } from '../../src/replication/standby-driver.js';

const ttlMs = 400;

interface Said {
  readonly type: string;
  readonly mayAct?: boolean;
}

interface Room {
  readonly child: ChildProcess;
  readonly said: Said[];
  readonly lease: LeaseProvider;
}

async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (const from = performance.now(); !(await is()); await sleep(5)) {
    if (performance.now() - from > 8000) throw new Error('it never was');
  }
}

/** A primary in another process, and a standby here that never takes over, if it is to have one. */
async function open(hangMs: number, isFollowed: boolean): Promise<Room> {
  const folder = join(mkdtempSync(join(tmpdir(), 'pageferry-keeper-')), 'leases');
  onTestFinished(() => rmSync(join(folder, '..'), { recursive: true }));
  const lease = await embeddedLease({ folder, ttlMs });
  onTestFinished(() => lease.close());
  let port: number | undefined;
  if (isFollowed) {
    const made = await standby({
      ...{ name: 'g', member: newMember('b'), lease, rankMs: 60_000 },
      accept: () => bufferGuest(new Uint8Array(8192)),
    });
    onTestFinished(() => made.close());
    ({ port } = made);
  }
  const program = fileURLToPath(new URL('./keeper-process.mjs', import.meta.url));
  const options = JSON.stringify({ folder, ttlMs, hangMs, port });
  const child = spawn(process.execPath, [program, options], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: Said[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  await until(() => said.some(({ type }) => type === (isFollowed ? 'joined' : 'leading')));
  // It does not begin at once.
  await sleep(ttlMs);
  return { child, said, lease };
}

describe('a keeper', () => {
  it('kills its process where a guest that others may have by now is not stopped', async () => {
    const { child, said, lease } = await open(ttlMs, true);
    child.stdin?.write('60000\n');
    const [code, signal] = await once(child, 'exit');
    expect([code, signal]).toEqual([null, 'SIGKILL']);
    expect(said.map(({ type }) => type)).not.toContain('turned');
    await until(async () => (await lease.read('g')).alive === undefined);
  });

  it('renews the lease of a guest whose loop stands still for a while', async () => {
    const { child, said, lease } = await open(20 * ttlMs, true);
    child.stdin?.write(`${4 * ttlMs}\n`);
    while (!said.some(({ type }) => type === 'turned')) {
      expect((await lease.read('g')).alive).toBe(1n);
      await sleep(20);
    }
    expect(said.find(({ type }) => type === 'turned')).toMatchObject({ mayAct: true });
    expect(said.map(({ type }) => type)).not.toContain('suspended');
    expect(child.exitCode).toBeNull();
  });

  it('kills for no guest that nobody else can have', async () => {
    const { child, said } = await open(ttlMs, false);
    child.stdin?.write(`${5 * ttlMs}\n`);
    await until(() => said.some(({ type }) => type === 'turned'));
    await until(() => {
      child.stdin?.write('0\n');
      return said.some(({ mayAct }) => mayAct === true);
    });
  });

  it('lets its process end once the guest was let go of', async () => {
    const { child, lease } = await open(ttlMs, true);
    const exit = once(child, 'exit');
    child.stdin?.write('close\n');
    expect(await exit).toEqual([0, null]);
    expect((await lease.read('g')).alive).toBeUndefined();
  });
});
