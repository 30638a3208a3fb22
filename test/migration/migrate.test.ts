import { randomFillSync } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { type Listener, type ListenOptions, listen } from '../../src/migration/listen.js';
import { type Migration, migrate } from '../../src/migration/migrate.js';
import type { MigrateOptions } from '../../src/migration/options.js';

const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close();
});

async function destination(
  accept: ListenOptions['accept'],
  options: Partial<ListenOptions> = {},
): Promise<Listener> {
  const listener = await listen({ accept, ...options });
  open.push(listener);
  return listener;
}

/** Half random, half zero. */
function memoryOf(pages: number): Uint8Array {
  const memory = new Uint8Array(pages * 4096);
  for (let page = 0; page < pages; page += 2) {
    randomFillSync(memory.subarray(page * 4096, (page + 1) * 4096));
  }
  return memory;
}

function start(guest: Guest, to: Listener, options: MigrateOptions = {}): Migration {
  return migrate(guest, { host: to.host, port: to.port, maxDowntimeMs: 500, ...options });
}

async function codeOf(migration: Migration): Promise<string> {
  return migration.done.then(
    () => 'completed',
    (error: unknown) => (error instanceof FerryError ? error.code : String(error)),
  );
}

/** What happened to a guest, in order. */
function watched(
  memory: Uint8Array,
  changed: Partial<Guest> = {},
): { guest: Guest; calls: string[] } {
  const calls: string[] = [];
  const inner = bufferGuest(memory, { tracker: 'marks' });
  const guest: Guest = {
    ...inner,
    pause: async () => void calls.push('pause'),
    resume: async () => void calls.push('resume'),
    release: async () => void calls.push('release'),
    acquire: async () => void calls.push('acquire'),
    discard: async () => void calls.push('discard'),
    ...changed,
  };
  return { guest, calls };
}

describe('migrate and listen over TCP', () => {
  it('tells a guest once that it was handed over, and one that was not nothing', async () => {
    const memory = memoryOf(10);
    const told: string[] = [];
    const handedOver = (): void => {
      told.push('handed over');
      throw new Error('of no use to anybody');
    };
    const { guest, calls } = watched(memory, { handedOver });
    const refusing = await destination(() => {
      throw new FerryError('ERR_NO_CAPACITY', 'full');
    });
    expect(await codeOf(start(guest, refusing))).toBe('ERR_NO_CAPACITY');
    expect(told).toEqual([]);
    const to = new Uint8Array(memory.byteLength);
    const listener = await destination(() => bufferGuest(to, { tracker: 'marks' }));
    expect(await codeOf(start(guest, listener))).toBe('completed');
    expect(told).toEqual(['handed over']);
    expect(calls).toEqual(['pause', 'release']);
    expect(to).toEqual(memory);
    const copied = { ...watched(memory, { handedOver }).guest, handsOver: false };
    const another = await destination(() => ({
      ...bufferGuest(to, { tracker: 'marks' }),
      handsOver: false,
    }));
    expect(await codeOf(start(copied, another))).toBe('completed');
    expect(told).toHaveLength(1);
  });

  it.each(['marks', 'hash', 'compare'] as const)(
    'moves memory that is written all along, tracked by %s',
    async (tracker) => {
      const from = memoryOf(2000);
      const to = new Uint8Array(from.byteLength);
      let writing = true;
      const guest = bufferGuest(from, {
        tracker,
        pause: () => {
          writing = false;
        },
      });
      const listener = await destination(() => bufferGuest(to));
      const migration = start(guest, listener);
      const write = (): void => {
        if (!writing) return;
        for (let i = 0; i < 20; i++) {
          const at = Math.floor(Math.random() * from.byteLength);
          from[at] = (from[at] ?? 0) + 1;
          guest.markDirty(at, 1);
        }
        setTimeout(write, 1);
      };
      write();
      const report = await migration.done;
      expect(Buffer.compare(from, to)).toBe(0);
      expect(report).toMatchObject({ verified: 'memory', repaired: 0, retreats: 0 });
      expect(report.rounds).toBeGreaterThan(0);
      const { downtime } = report;
      const parts =
        (downtime?.pauseMs ?? 0) +
        (downtime?.lastRoundMs ?? 0) +
        (downtime?.stateMs ?? 0) +
        (downtime?.verifyMs ?? 0) +
        (downtime?.commitMs ?? 0);
      expect(parts).toBeCloseTo(report.downtimeMs ?? 0, 3);
    },
  );

  it('tells each event in its order and ends with completed', async () => {
    const from = memoryOf(50);
    const listener = await destination(() => bufferGuest(new Uint8Array(from.byteLength)));
    const types: string[] = [];
    for await (const event of start(bufferGuest(from), listener)) types.push(event.type);
    const told = types.filter((type) => type !== 'progress');
    expect(told[0]).toBe('offered');
    expect(told.slice(1, -2).every((type) => type === 'round')).toBe(true);
    expect(told.slice(-2)).toEqual(['switchover', 'completed']);
  });

  it('carries sizes that are no multiple of a page', async () => {
    for (const bytes of [1, 4095, 4097, 10_000]) {
      const from = randomFillSync(new Uint8Array(bytes));
      const to = new Uint8Array(bytes);
      const listener = await destination(() => bufferGuest(to));
      await start(bufferGuest(from), listener).done;
      expect(Buffer.compare(from, to)).toBe(0);
    }
  });

  it('finds a write that was never marked, and the guest runs on', async () => {
    const from = memoryOf(300);
    const { guest, calls } = watched(from);
    const listener = await destination(() => bufferGuest(new Uint8Array(from.byteLength)));
    const migration = start(guest, listener);
    for await (const event of migration) {
      if (event.type === 'round' && event.round === 1)
        from[4096 * 200] = (from[4096 * 200] ?? 0) + 1;
    }
    expect(await codeOf(migration)).toBe('ERR_MISSED_WRITE');
    expect(calls.at(-1)).not.toBe('pause');
  });

  it('lets go of outside resources after the pause and takes them before READY', async () => {
    const from = memoryOf(10);
    const source = watched(from);
    const target = watched(new Uint8Array(from.byteLength));
    const listener = await destination(() => target.guest);
    await start(source.guest, listener).done;
    expect(source.calls).toEqual(['pause', 'release']);
    expect(target.calls).toEqual(['acquire', 'resume']);
  });

  it('resumes the source, resources and all, where the destination cannot start', async () => {
    const from = memoryOf(10);
    const source = watched(from);
    const target = watched(new Uint8Array(from.byteLength), {
      resume: async () => {
        throw new Error('no processor left');
      },
    });
    const listener = await destination(() => target.guest);
    expect(await codeOf(start(source.guest, listener))).toBe('ERR_START_FAILED');
    expect(source.calls).toEqual(['pause', 'release', 'acquire', 'resume']);
    expect(target.calls).toEqual(['acquire', 'release', 'discard']);
  });

  it('resumes the source where the destination cannot load the state', async () => {
    const from = memoryOf(10);
    const source = watched(from);
    const target = watched(new Uint8Array(from.byteLength), {
      loadState: async () => {
        throw new FerryError('ERR_GUEST', 'another state');
      },
    });
    const listener = await destination(() => target.guest);
    expect(await codeOf(start(source.guest, listener))).toBe('ERR_GUEST');
    expect(source.calls.at(-1)).toBe('resume');
    expect(target.calls).toEqual(['discard']);
  });

  it('goes over several connections to several places, and says what places it cannot have', async () => {
    const from = memoryOf(1000);
    const to = new Uint8Array(from.byteLength);
    const places = [{ host: '127.0.0.1', port: 0 }];
    const listener = await destination(() => bufferGuest(to), { addresses: places });
    expect(new Set(listener.addresses.map(({ port }) => port)).size).toBe(2);
    const [{ host, port } = listener, ...addresses] = listener.addresses;
    const migration = migrate(bufferGuest(from), { host, port, addresses, connections: 3 });
    expect(await codeOf(migration)).toBe('completed');
    expect(Buffer.compare(from, to)).toBe(0);
    const taken = [{ host: '127.0.0.1', port: listener.port }];
    const second = listen({ accept: () => bufferGuest(to), addresses: taken });
    await expect(second).rejects.toMatchObject({ code: 'ERR_IO' });
    const nowhere = { host, port, addresses: [{ host, port: 0 }] };
    expect(() => migrate(bufferGuest(from), nowhere)).toThrow(RangeError);
    for (const maxConnections of [0, 17, 1.5]) {
      const wrong = listen({ accept: () => bufferGuest(to), maxConnections });
      await expect(wrong).rejects.toThrow(RangeError);
    }
    for (const connections of [0, 17, 1.5]) {
      expect(() => migrate(bufferGuest(from), { host, port, connections })).toThrow(RangeError);
    }
  });

  it('never pauses what it cancels in time', async () => {
    const from = memoryOf(3000);
    const source = watched(from);
    const target = watched(new Uint8Array(from.byteLength));
    const listener = await destination(() => target.guest);
    const controller = new AbortController();
    const migration = start(source.guest, listener, {
      signal: controller.signal,
      bytesPerSecond: 1_000_000,
    });
    for await (const event of migration) if (event.type === 'progress') controller.abort();
    expect(await codeOf(migration)).toBe('ERR_ABORTED');
    expect(source.calls).toEqual([]);
    expect(target.calls).toEqual(['discard']);
  });

  it.each([
    ['an image that is too large', 'ERR_IMAGE_TOO_LARGE', { maxImageBytes: 4096 }, {}],
    [
      'another kind of guest',
      'ERR_INCOMPATIBLE',
      {},
      { describe: () => ({ kind: 'other', version: '', features: [] }) },
    ],
    [
      'another version',
      'ERR_INCOMPATIBLE',
      {},
      { describe: () => ({ kind: 'buffer', version: '2', features: [] }) },
    ],
    [
      'a region that is too small',
      'ERR_REGION_TOO_LARGE',
      {},
      { regions: bufferGuest(new Uint8Array(4096)).regions },
    ],
  ] as const)(
    'refuses %s, and the source was never paused',
    async (_name, code, options, changed) => {
      const from = memoryOf(10);
      const source = watched(from);
      const target = watched(new Uint8Array(from.byteLength), changed);
      const listener = await destination(() => target.guest, options);
      expect(await codeOf(start(source.guest, listener))).toBe(code);
      expect(source.calls).toEqual([]);
    },
  );

  it('refuses a state that is larger than the guest said', async () => {
    const from = memoryOf(10);
    const source = watched(from, {
      maxStateBytes: 100,
      saveState: async () => new Uint8Array(101),
    });
    const listener = await destination(() => bufferGuest(new Uint8Array(from.byteLength)));
    expect(await codeOf(start(source.guest, listener))).toBe('ERR_STATE_TOO_LARGE');
    expect(source.calls.at(-1)).toBe('resume');
  });

  it('refuses another machine unless told that nothing protects the bytes', async () => {
    const guest = bufferGuest(new Uint8Array(4096));
    expect(await codeOf(migrate(guest, { host: '192.0.2.1', port: 9 }))).toBe('ERR_NOT_LOOPBACK');
    await expect(listen({ host: '0.0.0.0', accept: () => guest })).rejects.toMatchObject({
      code: 'ERR_NOT_LOOPBACK',
    });
  });

  it('says which option is wrong', () => {
    const guest = bufferGuest(new Uint8Array(4096));
    const target = { host: '127.0.0.1', port: 9 };
    expect(() => migrate(guest, { ...target, maxDowntimeMs: 0 })).toThrow(/maxDowntimeMs/);
    expect(() => migrate(guest, { ...target, cpuShare: 2 })).toThrow(/cpuShare/);
    expect(() => migrate(guest, { ...target, port: 0 })).toThrow(/port/);
  });
});

const busyPages = 200;

describe('a guest that writes faster than it can be sent', () => {
  /** Rewrites every page, at random, each millisecond, unless it is slowed or stopped. */
  function busy(): { guest: Guest; calls: string[]; slowed: () => number; stop: () => void } {
    const memory = memoryOf(busyPages);
    let running = true;
    let share = 1;
    let slowest = 0;
    const { guest, calls } = watched(memory, {
      pause: async () => {
        running = false;
        calls.push('pause');
      },
      resume: async () => {
        running = true;
        calls.push('resume');
      },
      throttle: (fraction) => {
        share = 1 - fraction;
        slowest = Math.max(slowest, fraction);
      },
    });
    const inner = guest.regions[0];
    const marks = bufferGuest(memory, { tracker: 'marks' });
    const timer = setInterval(() => {
      if (!running || inner === undefined) return;
      for (let page = 0; page < busyPages * share; page++) {
        randomFillSync(memory.subarray(page * 4096, (page + 1) * 4096));
        marks.markDirty(page * 4096, 4096);
      }
    }, 2);
    return {
      guest: { ...guest, tracker: marks.tracker, regions: marks.regions },
      calls,
      slowed: () => slowest,
      stop: () => clearInterval(timer),
    };
  }

  it('is given up where that is the policy, and runs on', async () => {
    const { guest, calls, stop } = busy();
    const listener = await destination(() => bufferGuest(new Uint8Array(4096 * busyPages)));
    const migration = start(guest, listener, { maxDowntimeMs: 0.5, onStall: 'cancel' });
    expect(await codeOf(migration)).toBe('ERR_NOT_CONVERGING');
    stop();
    expect(calls.filter((call) => call === 'pause').length).toBe(
      calls.filter((call) => call === 'resume').length,
    );
  });

  it('is moved whatever it takes where that is the policy', async () => {
    const { guest, stop } = busy();
    const listener = await destination(() => bufferGuest(new Uint8Array(4096 * busyPages)));
    const report = await start(guest, listener, {
      maxDowntimeMs: 0.5,
      switchoverTimeoutMs: 0.01,
      onStall: 'force',
    }).done;
    stop();
    // Nothing is given back, and nothing says so.
    expect(report.retreats).toBe(0);
    expect(report.downtimeMs).toBeGreaterThan(0.5);
  });

  it('is slowed where that is the policy', async () => {
    const { guest, slowed, stop } = busy();
    const listener = await destination(() => bufferGuest(new Uint8Array(4096 * busyPages)));
    await codeOf(start(guest, listener, { maxDowntimeMs: 0.5, onStall: 'throttle' }));
    stop();
    expect(slowed()).toBeGreaterThan(0);
  });
});

describe('a guest that describes itself in too many words', () => {
  it.each([
    ['a version', { describe: () => ({ kind: 'buffer', version: 'v'.repeat(256), features: [] }) }],
    [
      'a feature',
      { describe: () => ({ kind: 'buffer', version: '', features: ['f'.repeat(256)] }) },
    ],
    [
      'a list of features',
      { describe: () => ({ kind: 'buffer', version: '', features: new Array(65).fill('f') }) },
    ],
  ] as const)('is its caller’s mistake: %s', (_name, changed) => {
    const guest = { ...bufferGuest(new Uint8Array(4096)), ...changed };
    expect(() => migrate(guest, { host: '127.0.0.1', port: 9 })).toThrow(RangeError);
  });
});
