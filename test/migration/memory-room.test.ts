import { afterEach, describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { systemClock } from '../../src/migration/clock.js';
import { freeMemory } from '../../src/migration/free-memory.js';
import { GuestHost } from '../../src/migration/guest-host.js';
import { type Listener, listen } from '../../src/migration/listen.js';
import { MemoryRoom } from '../../src/migration/memory-room.js';
import { migrate } from '../../src/migration/migrate.js';
import { Receiver } from '../../src/migration/receiver.js';
import type { Offer } from '../../src/protocol/messages.js';
import { naiveBody } from '../reference/run-table.js';

const MiB = 2 ** 20;

describe('free memory', () => {
  const meminfo = 'MemTotal:       9000 kB\nMemFree:         100 kB\nMemAvailable:   8000 kB\n';
  const files = (more: Readonly<Record<string, string>>) => (path: string) =>
    ({ '/proc/meminfo': meminfo, ...more })[path];

  it('is what the system says is available', () => {
    expect(freeMemory(files({}))).toBe(8000 * 1024);
    expect(freeMemory(() => undefined)).toBeUndefined();
  });

  it('is what a control group has left, or one that it is in, with the file cache', () => {
    const group = (path: string, max: string, current: string, cached = 0) => ({
      [`/sys/fs/cgroup${path}/memory.max`]: `${max}\n`,
      [`/sys/fs/cgroup${path}/memory.current`]: `${current}\n`,
      [`/sys/fs/cgroup${path}/memory.stat`]: `anon 7\nfile 900000\ninactive_file ${cached}\nactive_file 5\n`,
    });
    const own = { '/proc/self/cgroup': '0::/a/b\n', ...group('/a/b', 'max', '123') };
    expect(freeMemory(files(own))).toBe(8000 * 1024);
    const within = { ...own, ...group('/a', '1000000', '700000', 1000) };
    expect(freeMemory(files(within))).toBe(301_005);
    expect(freeMemory(files({ ...within, ...group('/a/b', '500', '9000') }))).toBe(0);
    const container = { '/proc/self/cgroup': '0::/\n', ...group('', '4096', '4000') };
    expect(freeMemory(files(container))).toBe(101);
  });

  it('is what a control group of the first version has left', () => {
    const root = '/sys/fs/cgroup/memory';
    const group = {
      '/proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n',
      [`${root}/memory.limit_in_bytes`]: '9223372036854771712\n',
      [`${root}/memory.usage_in_bytes`]: '100\n',
      [`${root}/x/memory.limit_in_bytes`]: '5000\n',
      [`${root}/x/memory.usage_in_bytes`]: '4000\n',
      [`${root}/x/memory.stat`]: 'inactive_file 1\ntotal_inactive_file 20\ntotal_active_file 3\n',
    };
    expect(freeMemory(files(group))).toBe(1023);
  });

  it.runIf(process.platform === 'linux')('is known here', () => {
    expect(freeMemory()).toBeGreaterThan(MiB);
  });
});

function guestOf(bytes: number): Guest {
  return bufferGuest(new Uint8Array(bytes), { fresh: true });
}

function offerOf(guest: Guest): Offer {
  return {
    type: 'OFFER',
    pageSize: 4096,
    secret: new Uint8Array(192),
    identity: guest.describe(),
    handsOver: true,
    maxStateBytes: 8,
    maxDowntimeMs: 50,
    regions: guest.regions.map(({ id, name, byteLength, maxByteLength }) => ({
      id,
      name,
      byteLength,
      maxByteLength,
    })),
  };
}

const plain = { patches: false, lz4: false, channels: 1, rehearsals: false, held: false };

function admit(guest: Guest, memory: MemoryRoom): Promise<GuestHost> {
  const deps = {
    ...plain,
    session: new Uint8Array(16),
    limits: { maxImageBytes: 2 ** 30, maxStateBytes: 8 },
    clock: systemClock,
    memory,
  };
  return GuestHost.admit(deps, offerOf(guest), () => guest);
}

describe('a destination with little memory', () => {
  const bytes = 8 * MiB;
  const needed = Receiver.neededBytes(guestOf(bytes).regions, plain) + bytes;
  const full = { code: 'ERR_NO_CAPACITY' };

  it('refuses what it could not hold, and leaves nothing of it', async () => {
    let discarded = 0;
    const discard = async (): Promise<void> => {
      discarded += 1;
    };
    const guest = { ...guestOf(bytes), discard };
    await expect(admit(guest, new MemoryRoom(() => needed - 1))).rejects.toMatchObject(full);
    expect(discarded).toBe(1);
    await admit(guestOf(bytes), new MemoryRoom(() => needed));
  });

  it('counts what others were promised and have not written', async () => {
    const memory = new MemoryRoom(() => 2 * needed - bytes);
    const first = await admit(guestOf(bytes), memory);
    await expect(admit(guestOf(bytes), memory)).rejects.toMatchObject(full);
    const payload = new Uint8Array(8).fill(7);
    const { body, tableBytes } = naiveBody(
      Array.from({ length: bytes / 4096 }, (_, page) => ({
        region: 0,
        page,
        kind: 'fill',
        payload,
      })),
    );
    const rawBytes = body.byteLength;
    await first.receiver.applyPages({ type: 'PAGES', body, tableBytes, rawBytes }, 1, 0);
    await admit(guestOf(bytes), memory);
  });

  it('has it again when one is over', async () => {
    const memory = new MemoryRoom(() => needed);
    const first = await admit(guestOf(bytes), memory);
    await expect(admit(guestOf(bytes), memory)).rejects.toMatchObject(full);
    await first.discard();
    const second = await admit(guestOf(bytes), memory);
    await second.start({
      type: 'PREPARE',
      generation: 1,
      finalSeqs: [0],
      digest: new Uint8Array(),
    });
    await admit(guestOf(bytes), memory);
  });

  it('has it again, and nothing is left, whatever fails when one is over', async () => {
    const fails = (): Promise<never> => Promise.reject(new Error('no'));
    let discarded = 0;
    const discard = (): Promise<never> => {
      discarded += 1;
      return fails();
    };
    const memory = new MemoryRoom(() => needed);
    const stubborn: Guest = {
      ...guestOf(bytes),
      acquire: async () => {},
      release: fails,
      discard,
    };
    const first = await admit(stubborn, memory);
    const state = { type: 'STATE', totalBytes: 0, offset: 0, bytes: new Uint8Array() } as const;
    first.receiver.takeState(state, 1);
    await first.load();
    await expect(first.discard()).rejects.toThrow('no');
    expect(discarded).toBe(1);
    await admit(guestOf(bytes), memory);
  });

  it('takes anything where nobody knows', async () => {
    await admit(guestOf(bytes), new MemoryRoom(() => undefined));
  });
});

describe.runIf(process.platform === 'linux')('a listener', () => {
  const open: Listener[] = [];
  afterEach(async () => {
    for (const listener of open.splice(0)) await listener.close();
  });

  it('refuses more memory than there is, and the guest runs on', async () => {
    const huge = (): Guest => {
      const inner = guestOf(4096);
      const [region] = inner.regions;
      if (region === undefined) throw new Error('no region');
      const byteLength = 2 ** 40;
      const large = Object.defineProperties(
        { ...region, fresh: true },
        { byteLength: { value: byteLength }, maxByteLength: { value: byteLength } },
      );
      return { ...inner, regions: [large] };
    };
    const listener = await listen({ accept: huge, maxImageBytes: 2 ** 41 });
    open.push(listener);
    const { host, port } = listener;
    await expect(migrate(huge(), { host, port }).done).rejects.toMatchObject({
      code: 'ERR_NO_CAPACITY',
    });
  });
});
