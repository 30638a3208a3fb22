import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FileGuest, type FileGuestOptions, fileGuest } from '../../src/guests/file.js';
import { processStartTime } from '../../src/guests/process-stat.js';
import type { Region } from '../../src/memory/region.js';

let folder = '';
const guests: FileGuest[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'pageferry-'));
});
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await fs.rm(folder, { recursive: true });
});

let files = 0;
async function newFile(content: string | Uint8Array): Promise<string> {
  files++;
  const path = join(folder, `image-${files}`);
  await fs.writeFile(path, content);
  return path;
}

async function open(path: string, options?: FileGuestOptions): Promise<FileGuest> {
  const guest = await fileGuest(path, options);
  guests.push(guest);
  return guest;
}

function regionOf(guest: FileGuest): Region {
  const [region] = guest.regions;
  if (region === undefined) throw new Error('a file has a region');
  return region;
}

async function readAll(guest: FileGuest): Promise<string> {
  const region = regionOf(guest);
  const bytes = new Uint8Array(region.byteLength + 10);
  return Buffer.from(bytes.subarray(0, await region.read(0, bytes))).toString();
}

describe('a file as it is', () => {
  it('is read as one region named like it, and stays ours', async () => {
    const path = await newFile('content');
    const guest = await open(path);
    const { name, byteLength, maxByteLength } = regionOf(guest);
    expect([name, byteLength, maxByteLength]).toEqual([`image-${files}`, 7, 7]);
    expect(await readAll(guest)).toBe('content');
    expect([guest.handsOver, guest.motion]).toEqual([false, 'still']);
    const tail = new Uint8Array(3);
    expect(await regionOf(guest).read(6, tail)).toBe(1);
    await guest.pause();
    expect((await guest.saveState()).byteLength).toBe(0);
    await guest.resume();
    await guest.close();
    await guest.close();
    expect(await fs.readFile(path, 'utf8')).toBe('content');
  });

  it('may be empty', async () => {
    const guest = await open(await newFile(''));
    expect(regionOf(guest).byteLength).toBe(0);
    expect(await readAll(guest)).toBe('');
    await guest.pause();
  });

  const changes: [string, (path: string) => Promise<unknown>][] = [
    ['is written to', (path) => fs.writeFile(path, 'CONTENT')],
    [
      'is written to and given its old time again',
      async (path) => {
        const { atime, mtime } = await fs.stat(path);
        await fs.writeFile(path, 'CONTENT');
        await fs.utimes(path, atime, mtime);
      },
    ],
    ['grows', (path) => fs.appendFile(path, '!')],
    ['shrinks', (path) => fs.truncate(path, 3)],
    [
      'is replaced',
      async (path) => {
        await fs.writeFile(`${path}.new`, 'content');
        await fs.rename(`${path}.new`, path);
      },
    ],
    ['is removed', (path) => fs.unlink(path)],
  ];
  it.each(changes)('is refused once it %s', async (_name, change) => {
    const path = await newFile('content');
    const guest = await open(path);
    await readAll(guest);
    await change(path);
    const refusal = { code: 'ERR_SOURCE_CHANGED', message: expect.stringContaining(path) };
    await expect(readAll(guest)).rejects.toMatchObject(refusal);
    await expect(guest.pause()).rejects.toMatchObject(refusal);
  });

  it('is refused when it changes right after it was opened, within a tick of the clock', async () => {
    for (let round = 0; round < 5; round++) {
      const path = await newFile('content');
      const guest = await open(path);
      await fs.writeFile(path, 'CONTENT');
      await expect(guest.pause()).rejects.toMatchObject({ code: 'ERR_SOURCE_CHANGED' });
    }
  });

  it.each([
    ['does not exist', () => join(folder, 'nowhere')],
    ['is a folder', () => folder],
    ['is a device', () => '/dev/zero'],
  ])('is ERR_IO, by its name, if it %s', async (_name, path) => {
    await expect(open(path())).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(path()),
    });
  });

  it('is not waited for if it is a pipe without a writer', async () => {
    const path = join(folder, 'pipe');
    await once(spawn('mkfifo', [path]), 'exit');
    await expect(open(path)).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});

describe('a file that is being written', () => {
  it('is followed as it grows, up to a maximum', async () => {
    const path = await newFile('one');
    const guest = await open(path, { live: true });
    expect(regionOf(guest).maxByteLength).toBe(64 * 2 ** 20);
    expect(await readAll(guest)).toBe('one');
    await fs.appendFile(path, ' two');
    expect(await readAll(guest)).toBe('one two');
    await fs.appendFile(path, ' three');
    await guest.pause();
    expect(regionOf(guest).byteLength).toBe(13);
    expect(guest.tracker.exact).toBe(false);
    expect(guest.motion).toBe('unpausable');
  });

  it('is refused once it shrinks', async () => {
    const path = await newFile('content');
    const guest = await open(path, { live: true });
    await fs.truncate(path, 2);
    await expect(guest.pause()).rejects.toMatchObject({ code: 'ERR_SOURCE_CHANGED' });
  });

  const mistakes: [string, FileGuestOptions][] = [
    ['a process to pause, but no live file', { pausePid: process.ppid }],
    ['a command that pauses and none that resumes', { live: true, pauseCommand: 'true' }],
    [
      'a process and commands',
      {
        live: true,
        pausePid: process.ppid,
        pauseCommand: 'true',
        resumeCommand: 'true',
      },
    ],
  ];
  it.each(mistakes)('refuses %s', async (_name, options) => {
    await expect(open(await newFile(''), options)).rejects.toThrow(TypeError);
  });
});

/** A program that appends to a file as fast as it can, in a process of its own. */
async function startWriter(path: string): Promise<number> {
  const script = `const fs = require('node:fs');
    const fd = fs.openSync(${JSON.stringify(path)}, 'a');
    setInterval(() => fs.writeSync(fd, 'x'), 1);
    console.log('writing');`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  if (child.pid === undefined) throw new Error('no process');
  return child.pid;
}

async function growsFrom(path: string, size: number): Promise<boolean> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await fs.stat(path)).size > size) return true;
    await sleep(10);
  }
  return false;
}

describe.runIf(process.platform === 'linux')('the process that writes a file', () => {
  it('writes nothing while it is paused, and goes on after', async () => {
    const path = await newFile('');
    const guest = await open(path, { live: true, pausePid: await startWriter(path) });
    expect(guest.motion).toBe('pausable');
    await guest.pause();
    await guest.pause();
    const { byteLength } = regionOf(guest);
    await sleep(50);
    expect((await fs.stat(path)).size).toBe(byteLength);
    await guest.resume();
    await guest.resume();
    expect(await growsFrom(path, byteLength)).toBe(true);
  });

  it('goes on when the guest is closed while it is paused', async () => {
    const path = await newFile('');
    const guest = await open(path, { live: true, pausePid: await startWriter(path) });
    await guest.pause();
    const { byteLength } = regionOf(guest);
    await guest.close();
    expect(await growsFrom(path, byteLength)).toBe(true);
  });

  it('goes on when our own process ends while it is paused', async () => {
    const path = await newFile('');
    const guest = await open(path, { live: true, pausePid: await startWriter(path) });
    const before = process.listeners('exit');
    await guest.pause();
    const { byteLength } = regionOf(guest);
    for (const listener of process.listeners('exit')) {
      if (!before.includes(listener)) listener(0);
    }
    expect(await growsFrom(path, byteLength)).toBe(true);
    await guest.resume();
    expect(process.listeners('exit')).toEqual(before);
  });

  it('goes on when our own process is killed while it is paused', async () => {
    const path = await newFile('');
    const pid = await startWriter(path);
    const product = new URL('../../dist/index.js', import.meta.url).href;
    const script = `const { fileGuest } = await import(${JSON.stringify(product)});
      const guest = await fileGuest(${JSON.stringify(path)}, { live: true, pausePid: ${pid} });
      await guest.pause();
      console.log('paused');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    const { size } = await fs.stat(path);
    await sleep(50);
    expect((await fs.stat(path)).size).toBe(size);
    child.kill('SIGKILL');
    expect(await growsFrom(path, size)).toBe(true);
  });

  it('is not signalled if it ended', async () => {
    const path = await newFile('');
    const pid = await startWriter(path);
    const guest = await open(path, { live: true, pausePid: pid });
    const child = children.pop();
    child?.kill('SIGKILL');
    if (child !== undefined) await once(child, 'exit');
    await expect(guest.pause()).rejects.toMatchObject({ code: 'ERR_GUEST' });
    await guest.resume();
  });

  it.each([0, -1, 1, process.pid, 1.5])('cannot be process %d', async (pausePid) => {
    await expect(open(await newFile(''), { live: true, pausePid })).rejects.toThrow(RangeError);
  });

  it('must exist', async () => {
    const child = spawn('true');
    await once(child, 'exit');
    await expect(
      open(await newFile(''), { live: true, pausePid: child.pid ?? 0 }),
    ).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  it('is known by when it started, whatever it is called', async () => {
    const script = `process.title = 'a ) R 1 (b'; console.log('named'); setInterval(() => {}, 1000)`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout, 'data');
    const startTime = processStartTime(child.pid ?? 0);
    expect(Number(startTime)).toBeGreaterThan(Number(processStartTime(1)));
    expect(processStartTime(child.pid ?? 0)).toBe(startTime);
  });
});

describe('commands that pause and resume what writes a file', () => {
  it('are run once each', async () => {
    const log = join(folder, 'log');
    const guest = await open(await newFile(''), {
      live: true,
      pauseCommand: `echo pause >> '${log}'`,
      resumeCommand: `echo resume >> '${log}'`,
    });
    await guest.pause();
    await guest.pause();
    await guest.resume();
    await guest.resume();
    await guest.close();
    expect(await fs.readFile(log, 'utf8')).toBe('pause\nresume\n');
  });

  it.each(['$(touch pwned)', '"; touch pwned; "', '`touch pwned`\n{"type":"x"}', '-rf', "'\\''"])(
    'are told what is to be paused on their standard input, and nowhere else: %j',
    async (name) => {
      const place = await fs.mkdtemp(join(folder, 'named-'));
      const path = join(place, `${name}.img`.replaceAll('/', ' '));
      await fs.writeFile(path, '');
      const [told, shown] = [join(place, 'told'), join(place, 'shown')];
      const command = `cat >> '${told}'; (env; tr '\\0' '\\n' < /proc/$$/cmdline) >> '${shown}'; true`;
      const guest = await open(path, {
        live: true,
        pauseCommand: command,
        resumeCommand: command,
        commandInput: () => ({ type: 'not this', session: 'ab', peer: name }),
      });
      await guest.pause();
      await guest.resume();
      const lines = (await fs.readFile(told, 'utf8')).split('\n');
      expect(lines.slice(0, 2).map((line) => JSON.parse(line))).toEqual(
        ['pause', 'resume'].map((type) => {
          return { type, file: path, region: `${name}.img`, session: 'ab', peer: name };
        }),
      );
      expect(lines.slice(2)).toEqual(['']);
      expect(await fs.readFile(shown, 'utf8')).not.toContain(`${name}.img`);
      expect((await fs.readdir(place)).sort()).toEqual([`${name}.img`, 'shown', 'told'].sort());
    },
  );

  it('need not read what they are told', async () => {
    const guest = await open(await newFile(''), {
      live: true,
      pauseCommand: 'exec <&-; true',
      resumeCommand: 'true',
      commandInput: () => ({ long: 'x'.repeat(1_000_000) }),
    });
    await guest.pause();
    await guest.resume();
  });

  it('fail with what they said, and what resumes is run all the same', async () => {
    const log = join(folder, 'log-2');
    const guest = await open(await newFile(''), {
      live: true,
      pauseCommand: 'echo no such service >&2; exit 3',
      resumeCommand: `echo resume >> '${log}'`,
    });
    await expect(guest.pause()).rejects.toMatchObject({
      code: 'ERR_GUEST',
      message: expect.stringMatching(/ended with 3: no such service/),
    });
    await guest.resume();
    expect(await fs.readFile(log, 'utf8')).toBe('resume\n');
  });
});
