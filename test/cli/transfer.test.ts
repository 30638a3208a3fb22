import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../command.js';
import { folder, receiver, run, start } from './command.js';

/** A file of random bytes in a folder of the test's own. */
function image(bytes: number, name = 'a.img'): string {
  const path = join(folder(), name);
  writeFileSync(path, randomBytes(bytes));
  return path;
}

function typesOf(stdout: string): unknown[] {
  return eventsOf(stdout)
    .map(({ type }) => type)
    .filter((type) => type !== 'progress');
}

describe('send and receive', () => {
  it.each([0, 1, 4096, 5000, 3 * 2 ** 20 + 7])('copy a file of %d bytes', async (bytes) => {
    const file = image(bytes);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once');
    const sent = await run('send', file, address);
    const received = await running.finished;
    expect(sent).toMatchObject({ exit: 0, stderr: '' });
    expect(received).toMatchObject({ exit: 0, stderr: '' });
    expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
    expect(readdirSync(join(copy, '..'))).toEqual(['copy.img']);
  });

  it('copy what worker threads read', async () => {
    const file = image(9 * 2 ** 20 + 7);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once');
    const sent = await run('send', file, address, '--workers', '2');
    await running.finished;
    expect(sent).toMatchObject({ exit: 0, stderr: '' });
    expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
  });

  it('leave holes where the source has zeros', async () => {
    const file = join(folder(), 'sparse.img');
    writeFileSync(
      file,
      Buffer.concat([randomBytes(4096), Buffer.alloc(8 * 2 ** 20), randomBytes(10)]),
    );
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once');
    await run('send', file, address);
    await running.finished;
    expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
    expect(statSync(copy).blocks * 512).toBeLessThan(2 ** 20);
  });

  it('put images under their own names into a folder, one after the other', async () => {
    const out = folder();
    const { running, address } = await receiver('--out-dir', out);
    for (const name of ['one.img', 'two.img']) {
      const file = image(10_000, name);
      expect((await run('send', file, address)).exit).toBe(0);
      expect(readFileSync(join(out, name)).equals(readFileSync(file))).toBe(true);
    }
    running.signal('SIGTERM');
    expect((await running.finished).exit).toBe(143);
  });

  it('speak IPv6', async () => {
    const file = image(5000);
    const copy = join(folder(), 'copy.img');
    const running = start(['receive', '--listen', '[::1]:0', '--out', copy, '--once']);
    const [, address = ''] = await running.says(/^listening (\[::1\]:\d+)$/m);
    expect((await run('send', file, address)).exit).toBe(0);
    expect((await running.finished).exit).toBe(0);
  });

  it('report the same digest as NDJSON, each ending with completed', async () => {
    const file = image(300_000);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once', '--json');
    const sent = await run('send', file, address, '--json');
    const received = await running.finished;
    expect(typesOf(sent.stdout)).toEqual(['offered', 'round', 'switchover', 'completed']);
    expect(typesOf(received.stdout)).toEqual(['listening', 'offered', 'completed']);
    const source = eventsOf(sent.stdout).at(-1);
    const destination = eventsOf(received.stdout).at(-1);
    expect(source).toMatchObject({ verified: 'memory', rounds: 1, downtimeMs: null, repaired: 0 });
    expect(destination).toMatchObject({ digest: source?.['digest'], path: copy });
  });

  it('let a stranger come and go without ending --once', async () => {
    const file = image(5000);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once');
    const port = Number(address.split(':')[1]);
    await fetch(`http://127.0.0.1:${port}/`).catch(() => {});
    expect((await run('send', file, address)).exit).toBe(0);
    expect((await running.finished).exit).toBe(0);
  });
});

describe('a receiver', () => {
  it('refuses what is larger than allowed: the source ends with 3', async () => {
    const file = image(10_000);
    const out = folder();
    const { running, address } = await receiver('--out-dir', out, '--max-image', '4K', '--json');
    const { exit, stdout, stderr } = await run('send', file, address, '--json');
    expect(exit).toBe(3);
    expect(stderr).toMatch(/^pageferry: ERR_IMAGE_TOO_LARGE: .*--max-image[^\n]*\n$/m);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'failed', side: 'destination' });
    await running.says(/"type":"dropped"/);
    expect(readdirSync(out)).toEqual([]);
  });

  it('shows names of peers without their control characters, and takes none into its folder', async () => {
    const file = image(10, 'evil\u001b[31m\u009bname.img');
    const { running, address } = await receiver('--out-dir', folder());
    const { exit, stderr } = await run('send', file, address);
    expect(exit).toBe(3);
    expect(stderr).toContain('ERR_OUT_OF_RANGE');
    running.signal('SIGTERM');
    const received = await running.finished;
    expect(received.stdout).toContain('evil\\u{1b}[31m\\u{9b}name.img');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(`${stderr}${received.stdout}${received.stderr}`).not.toMatch(/[\u001b\u009b]/);
  });

  it('says that its port is in use', async () => {
    const taken = createServer();
    await new Promise<void>((listening) => taken.listen(0, '127.0.0.1', listening));
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { exit, stderr } = await run('receive', '--listen', `127.0.0.1:${port}`, '--out', 'x');
    taken.close();
    expect(stderr).toMatch(/^pageferry: ERR_IO: .*EADDRINUSE.*\n$/);
    expect(exit).toBe(1);
  });

  it('does not mind a reader that went away', async () => {
    const file = image(50_000);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once', '--json');
    running.stopReading('stdout');
    expect((await run('send', file, address)).exit).toBe(0);
    expect((await running.finished).exit).toBe(0);
    expect(existsSync(copy)).toBe(true);
  });
});

describe('a sender', () => {
  it('does not mind a reader that went away', async () => {
    const file = image(500_000);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once');
    const sender = start(['send', file, address, '--json']);
    sender.stopReading('stdout', 'stderr');
    expect((await sender.finished).exit).toBe(0);
    expect((await running.finished).exit).toBe(0);
  });

  it('says what it cannot read', async () => {
    for (const path of [join(folder(), 'none.img'), folder()]) {
      const { exit, stderr } = await run('send', path, '127.0.0.1:9');
      expect(stderr).toMatch(/^pageferry: ERR_IO: .*\n$/);
      expect(exit).toBe(1);
    }
  });

  it('tries again where nobody listens, as often as it is told', async () => {
    const file = image(10);
    const { exit, stdout } = await run('send', file, '127.0.0.1:9', '--retries', '2', '--json');
    expect(typesOf(stdout)).toEqual(['retrying', 'retrying', 'failed']);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ code: 'ERR_CONNECTION_LOST', retryable: true });
    expect(exit).toBe(1);
  });

  it('follows a file that is being written, and says that nothing was paused', async () => {
    const file = image(2 ** 20);
    const copy = join(folder(), 'copy.img');
    const { running, address } = await receiver('--out', copy, '--once');
    const { exit, stdout } = await run('send', file, address, '--live', '--json');
    expect(exit).toBe(0);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ verified: 'stream', downtimeMs: null });
    await running.finished;
    expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
  });

  it('pauses the writer by commands and lets it go on', async () => {
    const file = image(2 ** 20);
    const log = join(folder(), 'log');
    const { running, address } = await receiver('--out', join(folder(), 'copy.img'), '--once');
    const { exit, stdout } = await run(
      'send',
      file,
      address,
      '--live',
      '--json',
      '--pause-cmd',
      `cat >> ${log}`,
      '--resume-cmd',
      `cat >> ${log}`,
      '--max-downtime',
      '5000',
    );
    expect(exit).toBe(0);
    const events = eventsOf(stdout);
    expect(events.at(-1)?.['downtimeMs']).toBeGreaterThan(0);
    const session = events.find(({ type }) => type === 'offered')?.['session'];
    expect(session).toMatch(/^[0-9a-f]{32}$/);
    // What a migration knows, on standard input.
    const told = { file, region: basename(file), session, peer: address };
    expect(eventsOf(readFileSync(log, 'utf8'))).toEqual([
      { ...told, type: 'pause' },
      { ...told, type: 'resume' },
    ]);
    await running.finished;
  });
});

it('keeps a folder that stands in the way', async () => {
  const file = image(10);
  const place = join(folder(), 'copy.img');
  mkdirSync(place);
  const { address } = await receiver('--out', place);
  const { exit, stderr } = await run('send', file, address);
  expect(stderr).toContain('ERR_IO');
  expect(exit).toBe(3);
});
