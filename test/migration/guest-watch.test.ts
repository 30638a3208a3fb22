import { describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import type { Region } from '../../src/memory/region.js';
import type { Clock } from '../../src/migration/clock.js';
import { type Watched, watchGuest } from '../../src/migration/guest-watch.js';
import { KnownLink } from '../../src/migration/known-link.js';
import { resolveOptions } from '../../src/migration/options.js';
import { Random } from '../reference/random.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

const pageBytes = 4096;
const MiB = 2 ** 20;

/** Watches for three virtual seconds, while `write` is called each virtual millisecond. */
async function watch(guest: Guest, write: () => void = () => {}): Promise<Watched> {
  const clock = new VirtualClock();
  const tick = (): void => {
    write();
    clock.after(1, tick);
  };
  clock.after(1, tick);
  let watched: Watched | undefined;
  let failure: unknown;
  watchGuest(guest, {
    watchMs: 3000,
    options: resolveOptions({ shadowBytes: 64 * MiB, baseCacheBytes: 0 }),
    meter: new KnownLink({ bytesPerSecond: 1e9, rttMs: 1 }),
    cpuShare: 0.3,
    clock,
    onStep: () => {},
  }).then(
    (result) => {
      watched = result;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  await clock.run(
    60_000,
    () => watched !== undefined || failure !== undefined,
    () => {},
  );
  if (watched === undefined) throw failure ?? new Error('it never ended');
  return watched;
}

describe('watching a guest', () => {
  it.each(['marks', 'compare'] as const)(
    'learns what all of it costs, and how it is written (%s)',
    async (tracker) => {
      const random = new Random(4);
      const bytes = random.bytes(4 * MiB).slice();
      bytes.fill(0, 0, MiB);
      const guest = bufferGuest(bytes, { tracker });
      const watched = await watch(guest, () => {
        // Two different pages a millisecond, a word each.
        for (let write = 0; write < 2; write++) {
          const at = (256 + random.below(768)) * pageBytes;
          bytes[at] = (bytes[at] ?? 0) + 1;
          guest.markDirty(at, 1);
        }
      });
      expect(watched).toMatchObject({ totalPages: 1024, totalBytes: 4 * MiB, sampledShare: 1 });
      // A quarter is zero.
      expect(watched.firstPages).toBe(768);
      expect(watched.firstBytes).toBeGreaterThan(768 * pageBytes);
      const short = watched.writes.filter(({ ms, bytes: cost }) => ms < 30 && cost !== undefined);
      expect(short.length).toBeGreaterThan(1);
      for (const { ms, pages, bytes: cost = 0 } of short) {
        expect(pages / ms).toBeGreaterThan(1.5);
        expect(pages / ms).toBeLessThan(2.5);
        expect(cost / pages).toBeLessThan(40);
      }
      // All pages that were ever written, from the first pass on.
      const longest = watched.writes.reduce((most, look) => (look.ms > most.ms ? look : most));
      expect(longest.ms).toBeGreaterThan(2000);
      expect(longest.pages).toBeGreaterThan(700);
      expect(longest.pages).toBeLessThanOrEqual(768);
    },
  );

  it('neither pauses nor changes it, and stops its tracker', async () => {
    const bytes = new Random(5).bytes(MiB).slice();
    const before = bytes.slice();
    const calls: string[] = [];
    const guest = bufferGuest(bytes, {
      pause: () => void calls.push('pause'),
      resume: () => void calls.push('resume'),
    });
    const tracker = {
      exact: false,
      start: () => void calls.push('start'),
      take: guest.tracker.take.bind(guest.tracker),
      stop: () => void calls.push('stop'),
    };
    await watch({ ...guest, tracker });
    expect(calls).toEqual(['start', 'stop']);
    expect(Buffer.compare(bytes, before)).toBe(0);
  });

  it('looks at a sample of what is too large, and takes the rest to be like it', async () => {
    const mebibytes = 160;
    const bytes = new Uint8Array(mebibytes * MiB);
    const random = new Random(6);
    // Every second page of every mebibyte.
    for (let at = 0; at < bytes.length; at += 2 * pageBytes)
      bytes[at] = 1 + ((at / pageBytes) % 250);
    const inner = bufferGuest(bytes);
    // Reading takes so long that three seconds are not enough for all of it, again and again.
    const [region] = inner.regions;
    if (region === undefined) throw new Error('no region');
    const clock = new VirtualClock();
    const slow: Guest = {
      ...inner,
      handsOver: false,
      regions: [
        {
          ...region,
          get byteLength() {
            return bytes.length;
          },
          read: async (offset, into) => {
            await new Promise<void>((resolve) => clock.after(into.byteLength / MiB, resolve));
            return region.read(offset, into);
          },
        },
      ],
    };
    let watched: Watched | undefined;
    watchGuest(slow, {
      watchMs: 300,
      options: resolveOptions({ shadowBytes: 0, baseCacheBytes: 0 }),
      meter: new KnownLink({ bytesPerSecond: 1e9, rttMs: 1 }),
      cpuShare: 1,
      clock,
      onStep: () => {},
    }).then((result) => {
      watched = result;
    });
    const tick = (): void => {
      for (let write = 0; write < 20; write++)
        bytes[random.below(bytes.length)] = random.u32() & 0xff;
      clock.after(1, tick);
    };
    clock.after(1, tick);
    await clock.run(
      60_000,
      () => watched !== undefined,
      () => {},
    );
    expect(watched?.sampledShare).toBeCloseTo(64 / mebibytes, 2);
    expect(watched?.totalPages).toBe(mebibytes * 256);
    expect((watched?.firstPages ?? 0) / (mebibytes * 128)).toBeGreaterThan(0.95);
    expect((watched?.firstPages ?? 0) / (mebibytes * 128)).toBeLessThan(1.1);
    const [look] = watched?.writes ?? [];
    expect((look?.pages ?? 0) / (20 * (look?.ms ?? 1))).toBeGreaterThan(0.7);
    expect((look?.pages ?? 0) / (20 * (look?.ms ?? 1))).toBeLessThan(1.3);
  });

  it('tells how much of the thread others take meanwhile, and never less progress than before', async () => {
    const inner = bufferGuest(new Random(7).bytes(8 * MiB).slice());
    const [region] = inner.regions;
    if (region === undefined) throw new Error('no region');
    const time = new VirtualClock();
    // Reading a mebibyte takes 4 ms, and whoever else has a turn takes one.
    const { memory: _, ...plain } = region;
    const read: Region['read'] = async (offset, into) => {
      await new Promise<void>((resolve) => time.after((into.byteLength / MiB) * 4, resolve));
      return region.read(offset, into);
    };
    const clock: Clock = {
      now: () => time.now(),
      after: (ms, callback) => time.after(ms, callback),
      turn: () => new Promise((resolve) => time.after(1, resolve)),
    };
    const shares: number[] = [];
    let watched: Watched | undefined;
    watchGuest(
      { ...inner, regions: [{ ...plain, byteLength: 8 * MiB, read }] },
      {
        watchMs: 300,
        options: resolveOptions({ shadowBytes: 0, baseCacheBytes: 0 }),
        meter: new KnownLink({ bytesPerSecond: 1e9, rttMs: 1 }),
        cpuShare: 0.25,
        clock,
        onStep: (share) => void shares.push(share),
      },
    ).then((result) => {
      watched = result;
    });
    await time.run(
      60_000,
      () => watched !== undefined,
      () => {},
    );
    // Three quarters of the time for others.
    expect(watched?.givenPerMs).toBeGreaterThan(2.5);
    expect(watched?.givenPerMs).toBeLessThan(3.5);
    // 8 MiB at 4 ms, and the others.
    expect(watched?.firstMs).toBeGreaterThan(100);
    expect(watched?.firstMs).toBeLessThan(160);
    expect(shares.length).toBeGreaterThan(10);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBeLessThanOrEqual(1);
  });

  it('ends where it is told to', async () => {
    const guest = bufferGuest(new Uint8Array(MiB));
    const stopped: string[] = [];
    const tracker = {
      ...guest.tracker,
      exact: false,
      start() {},
      take() {},
      stop: () => void stopped.push('stop'),
    };
    const watching = watchGuest(
      { ...guest, tracker },
      {
        watchMs: 3000,
        options: resolveOptions({ shadowBytes: 0, baseCacheBytes: 0 }),
        meter: new KnownLink({ bytesPerSecond: 1e9, rttMs: 1 }),
        cpuShare: 1,
        clock: new VirtualClock(),
        onStep: () => {
          throw new Error('enough');
        },
      },
    );
    await expect(watching).rejects.toThrow('enough');
    expect(stopped).toEqual(['stop']);
  });
});
