import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { bufferGuest, predict } from '../../src/index.js';
import { type CliEvent, eventsOf } from '../command.js';
import { LiveWriter } from '../processes/writer.js';
import { folder, run, start } from './command.js';

const MiB = 2 ** 20;
const writers: LiveWriter[] = [];

afterEach(() => {
  for (const writer of writers.splice(0)) writer.close();
});

/** A file of random bytes, and as many zeros behind them. */
function halfEmpty(bytes: number): string {
  const file = join(folder(), 'disk.img');
  writeFileSync(file, randomBytes(bytes));
  truncateSync(file, 2 * bytes);
  return file;
}

/** The one object that `--json` prints. */
async function predicted(...args: readonly string[]): Promise<CliEvent> {
  const { exit, stdout, stderr } = await run('predict', ...args, '--json');
  expect(stderr).toBe('');
  expect(exit).toBe(0);
  const events = eventsOf(stdout);
  expect(events).toHaveLength(1);
  const [event] = events;
  if (event?.type !== 'predicted') throw new Error(`no prediction: ${stdout}`);
  return event;
}

describe('predict', () => {
  it('says what a file will cost that nothing writes, and leaves it alone', async () => {
    const file = halfEmpty(2 * MiB);
    const before = {
      stat: statSync(file).mtimeMs,
      hash: createHash('sha256').update(readFileSync(file)).digest('hex'),
    };
    const event = await predicted(file, '--bytes-per-second', '1M', '--rtt', '20');
    expect(event).toMatchObject({
      converges: true,
      rounds: 1,
      totalBytes: 4 * MiB,
      pagesSent: 512,
      sampledShare: 1,
      downtimeMs: null,
      writes: null,
      ifPaused: null,
      link: { bytesPerSecond: MiB, rttMs: 20, bytesPerSecondFrom: 'given', rttFrom: 'given' },
    });
    expect(event['bytesSent']).toBeGreaterThan(2 * MiB);
    expect(event['bytesSent']).toBeLessThan(2.1 * MiB);
    // 2 MiB at 1 MiB a second, whatever machine says so.
    expect(event['totalMs']).toBeGreaterThan(2000);
    const after = {
      stat: statSync(file).mtimeMs,
      hash: createHash('sha256').update(readFileSync(file)).digest('hex'),
    };
    expect(after).toEqual(before);
  });

  it('says of a live file how it is written, and what stopping its writer would change', async () => {
    const file = halfEmpty(4 * MiB);
    writers.push(await LiveWriter.start(file, { perSecond: 300 }));
    const event = await predicted(
      file,
      '--live',
      '--seconds',
      '1.5',
      '--bytes-per-second',
      '20M',
      '--rtt',
      '1',
    );
    expect(event['watchedMs']).toBeGreaterThan(1000);
    const { pagesPerSecond, bytesPerPage } = {
      pagesPerSecond: 0,
      bytesPerPage: 0,
      ...Object(event['writes']),
    };
    // What was written is two words over and over; a page of it goes as 8 bytes, and a busy machine writes less than it should.
    expect(pagesPerSecond).toBeGreaterThan(20);
    expect(pagesPerSecond).toBeLessThan(600);
    expect(bytesPerPage).toBeLessThan(200);
    expect(event).toMatchObject({ converges: false, downtimeMs: null });
    expect(event['ifPaused']).toMatchObject({ converges: true });
    const { downtimeMs } = { downtimeMs: 0, ...Object(event['ifPaused']) };
    // One round trip at the least.
    expect(downtimeMs).toBeGreaterThan(1);
  });

  it('says plainly where its numbers come from', async () => {
    const file = halfEmpty(MiB);
    const { exit, stdout } = await run('predict', file);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/link +\S+ \S+ as measured on loopback: give the real one/);
    expect(stdout).toMatch(/round trip +\S+ ms as measured on loopback: give the real one/);
    expect(stdout).toMatch(/all of it looked at/);
    expect(stdout).toMatch(/in all +256 pages as 1\.[01] MB in 1 round and /);
    const given = await run(
      'predict',
      file,
      '--bytes-per-second',
      '10M',
      '--live',
      '--seconds',
      '0.2',
    );
    expect(given.stdout).toMatch(/link +10\.5 MB\/s as given/);
    expect(given.stdout).toMatch(/writes +nothing was written/);
    expect(given.stdout).toMatch(/with its writer stopped/);
  });

  it.each([
    ['a file that is not there', ['nowhere.img'], 1, 'ERR_IO'],
    ['a folder', ['.'], 1, 'ERR_IO'],
  ])('ends with a code and one line: %s', async (_what, args, exitCode, code) => {
    const { exit, stdout, stderr } = await run('predict', ...args, '--json');
    expect(exit).toBe(exitCode);
    expect(eventsOf(stdout)).toMatchObject([{ type: 'failed', code, side: 'source' }]);
    expect(stderr).toMatch(new RegExp(`^pageferry: ${code}: [^\\n]+\\n$`));
  });

  it('ends by a signal in the middle of watching', async () => {
    const watching = start(['predict', halfEmpty(MiB), '--live', '--seconds', '60', '--json']);
    setTimeout(() => watching.signal('SIGINT'), 1500);
    const { exit, stdout } = await watching.finished;
    expect(exit).toBe(130);
    expect(eventsOf(stdout)).toMatchObject([{ type: 'failed', code: 'ERR_ABORTED' }]);
  });
});

describe('predict of a guest', () => {
  it('watches a program as it runs, and can be followed by its migration', async () => {
    const memory = new Uint8Array(4 * MiB).fill(1);
    const guest = bufferGuest(memory, { tracker: 'marks' });
    const timer = setInterval(() => {
      const at = Math.floor(Math.random() * memory.length);
      memory[at] = (memory[at] ?? 0) + 1;
      guest.markDirty(at, 1);
    }, 1);
    try {
      const prospect = await predict(guest, { seconds: 0.5, bytesPerSecond: 1e6, rttMs: 5 });
      expect(prospect).toMatchObject({ converges: true, ifPaused: null, totalBytes: 4 * MiB });
      expect(prospect.writes?.bytesPerPage).toBeLessThan(100);
      // Two round trips.
      expect(prospect.downtimeMs).toBeGreaterThan(10);
    } finally {
      clearInterval(timer);
    }
  });

  it.each([
    ['seconds', { seconds: 0 }],
    ['seconds', { seconds: Number.NaN }],
    ['rttMs', { rttMs: -1 }],
    ['bytesPerSecond', { bytesPerSecond: 0 }],
    ['maxDowntimeMs', { maxDowntimeMs: -5 }],
  ])('refuses %s out of range before it looks', async (name, options) => {
    await expect(predict(bufferGuest(new Uint8Array(4096)), options)).rejects.toThrow(RangeError);
    await expect(predict(bufferGuest(new Uint8Array(4096)), options)).rejects.toThrow(name);
  });

  it('refuses what is no number', async () => {
    for (const name of ['seconds', 'rttMs', 'bytesPerSecond']) {
      const options = { [name]: '3' };
      const predicting = predict(bufferGuest(new Uint8Array(4096)), options);
      await expect(predicting).rejects.toThrow(TypeError);
      await expect(predicting).rejects.toThrow(name);
    }
  });

  it('tells how far it is, and ends with a code where a still file changes', async () => {
    const file = halfEmpty(MiB);
    const shares: number[] = [];
    const link = { bytesPerSecond: 1e6, rttMs: 1 };
    await predict(file, { ...link, onProgress: (share) => void shares.push(share) });
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    const changed = predict(file, { ...link, onProgress: () => writeFileSync(file, 'less') });
    await expect(changed).rejects.toMatchObject({ code: 'ERR_SOURCE_CHANGED' });
  });

  it('ends by its signal', async () => {
    const signal = AbortSignal.timeout(200);
    const guest = bufferGuest(new Uint8Array(MiB));
    await expect(
      predict(guest, { seconds: 60, signal, bytesPerSecond: 1e6, rttMs: 0 }),
    ).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(predict(guest, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });
});
