import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsOf } from '../command.js';
import { folder, receiver, run } from './command.js';

describe('a recording', () => {
  it.each(['ledger', 'sqlite'])('of a %s demo is told and replayed', async (guest) => {
    const file = join(folder(), 'demo.rec');
    const size = guest === 'ledger' ? '8' : '64';
    const slow = guest === 'ledger' ? [] : ['--bytes-per-second', '30M'];
    const what = ['--guest', guest, '--size', size, ...slow];
    const demo = await run('demo', ...what, '--record', file, '--json');
    expect(demo.exit).toBe(0);
    const completed = eventsOf(demo.stdout).at(-1);
    // Below a slow ceiling frames leave compressed, unless they are noise: they are told and replayed like others.
    const { frames } = Object(completed?.['compressed']);
    expect(frames).toBeGreaterThanOrEqual(guest === 'sqlite' ? 1 : 0);

    const inspected = await run('inspect', file, '--json');
    const recording = eventsOf(inspected.stdout).at(-1);
    expect(recording).toMatchObject({
      side: 'source',
      connections: 1,
      damage: null,
      outcome: { digest: completed?.['digest'], pagesSent: completed?.['pagesSent'] },
      offers: [{ identity: { kind: guest } }],
      messages: { out: { COMMIT: { count: 1 } }, in: { RUNNING: { count: 1 } } },
    });
    const kinds: { count: number }[] = Object.values(Object(recording?.['pages']));
    expect(kinds.reduce((sum, { count }) => sum + count, 0)).toBe(completed?.['pagesSent']);

    const replayed = await run('replay', file);
    expect(replayed.stderr).toBe('');
    expect(replayed.stdout).toMatch(/^replayed: [\d,]+ frames, [\d,]+ transitions, same outcome$/m);
    expect(replayed.exit).toBe(0);
  });

  it('of a file is the same from both sides', async () => {
    const [from, to, file] = ['from.rec', 'to.rec', 'a.img'].map((name) => join(folder(), name));
    if (from === undefined || to === undefined || file === undefined) throw new Error('no names');
    writeFileSync(file, randomBytes(100_000));
    const { running, address } = await receiver(
      '--out',
      join(folder(), 'x'),
      '--once',
      '--record',
      to,
    );
    expect((await run('send', file, address, '--record', from)).exit).toBe(0);
    await running.finished;
    for (const recording of [from, to]) {
      expect(statSync(recording).mode & 0o777).toBe(0o600);
      expect(await run('replay', recording)).toMatchObject({ exit: 0, stderr: '' });
      expect((await run('inspect', recording)).stdout).toContain('offered file');
    }
  });

  it('of a refusal is replayed as one', async () => {
    const [from, file] = [join(folder(), 'from.rec'), join(folder(), 'a.img')];
    writeFileSync(file, randomBytes(100_000));
    const { address } = await receiver('--out', join(folder(), 'x'), '--max-image', '1K');
    expect((await run('send', file, address, '--record', from)).exit).toBe(3);
    expect(await run('replay', from)).toMatchObject({ exit: 0, stderr: '' });
    expect((await run('inspect', from)).stdout).toContain('failed: ERR_IMAGE_TOO_LARGE');
  });
});

describe('what is no whole recording', () => {
  let whole = '';
  const damaged = (damage: (bytes: Buffer) => void): string => {
    const file = join(folder(), 'damaged.rec');
    const bytes = readFileSync(whole);
    damage(bytes);
    writeFileSync(file, bytes);
    return file;
  };

  beforeAll(async () => {
    // Not `folder()`: it would be gone after the first test.
    whole = join(tmpdir(), `pageferry-test-${process.pid}.rec`);
    expect((await run('demo', '--size', '4', '--record', whole)).exit).toBe(0);
  });
  afterAll(() => rmSync(whole, { force: true }));

  it('is read up to where it was cut off', async () => {
    const file = join(folder(), 'cut.rec');
    copyFileSync(whole, file);
    truncateSync(file, Math.floor(statSync(file).size / 2));
    const { exit, stdout, stderr } = await run('inspect', file);
    expect(stdout).toContain('it ends before the outcome is known');
    expect(stderr).toMatch(/^pageferry: ERR_STORE_CORRUPT: .* at byte \d+ of \d+: it is cut off/);
    expect(exit).toBe(1);
    expect((await run('replay', file)).stderr).toMatch(/replayed until there: [\d,]+ frames/);
  });

  it('is read up to a flipped bit', async () => {
    const file = damaged((bytes) => {
      const at = Math.floor(bytes.length / 3);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    });
    const { exit, stderr } = await run('inspect', file);
    expect(stderr).toMatch(/^pageferry: ERR_STORE_CORRUPT: /);
    expect(exit).toBe(1);
  });

  it('is told from a recording of another version', async () => {
    const file = damaged((bytes) => bytes.writeUInt16LE(7, 14));
    expect((await run('inspect', file)).stderr).toContain('ERR_STORE_VERSION');
    expect((await run('replay', file)).exit).toBe(1);
  });

  it.each([
    ['another file', Buffer.from('#!/bin/sh\necho something else entirely\n')],
    ['an empty file', Buffer.alloc(0)],
  ])('is refused: %s', async (_what, content) => {
    const file = join(folder(), 'other');
    writeFileSync(file, content);
    for (const command of ['inspect', 'replay']) {
      const { exit, stderr } = await run(command, file);
      expect(stderr).toMatch(/^pageferry: ERR_STORE_CORRUPT: [^\n]+\n$/);
      expect(exit).toBe(1);
    }
  });
});
