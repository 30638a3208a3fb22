import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { embeddedLease } from '../../src/lease/embedded.js';
import type { TokenStore } from '../../src/lease/fence.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import { systemClock } from '../../src/migration/clock.js';
import type { Arrival } from '../../src/migration/destination.js';
import type { MigrationEvent } from '../../src/migration/events.js';
import type { MigrationLease } from '../../src/migration/lease-options.js';
import { type Listener, listen } from '../../src/migration/listen.js';
import { type Migration, migrate } from '../../src/migration/migrate.js';
import type { MigrateOptions } from '../../src/migration/options.js';
import { resolveOptions } from '../../src/migration/options.js';
import { SourceDriver } from '../../src/migration/source.js';
import { decodeMessage, encodeMessage, type Message } from '../../src/protocol/index.js';
import { messageType } from '../../src/protocol/messages.js';
import { protect } from '../../src/replication/protect.js';
import { type Channel, connectTcp } from '../../src/transport/index.js';
import { recordOf } from '../lease/records.js';
import { type Reach, SimulatedEngine } from '../lease/simulated-engine.js';

const bytes = 16 * 4096;
const digest = new Uint8Array(32);
const lead = { type: 'LEAD', token: 9n, maxEpochBytes: 0, guest: 'guest', member: 'x#1' } as const;

/** A guest that tells whether it runs. */
class Seen {
  readonly memory = new Uint8Array(bytes);
  readonly guest: Guest;
  runs: boolean;

  constructor(runs: boolean, more: Partial<Guest> = {}) {
    this.runs = runs;
    this.guest = {
      ...bufferGuest(this.memory, { tracker: 'marks' }),
      pause: async () => {
        this.runs = false;
      },
      resume: async () => {
        this.runs = true;
      },
      ...more,
    };
  }
}

const leaseOf = (provider: LeaseProvider, member: string, tokens?: TokenStore): MigrationLease => ({
  ...{ provider, name: 'guest', member },
  ...(tokens && { tokens }),
});

async function destination(
  lease: MigrationLease | undefined,
  to: Seen = new Seen(false),
  acceptMs = 0,
): Promise<{
  readonly listener: Listener;
  readonly arrivals: Arrival[];
  readonly to: Seen;
  readonly told: string[];
}> {
  const listener = await listen({
    accept: () => sleep(acceptMs, to.guest),
    ...(lease && { lease }),
  });
  onTestFinished(() => listener.close());
  const arrivals: Arrival[] = [];
  const told: string[] = [];
  void (async () => {
    for await (const event of listener) {
      told.push(event.type);
      if (event.type === 'arrived') arrivals.push(event.arrival);
    }
  })();
  return { listener, arrivals, to, told };
}

function start(from: Seen, { host, port }: Listener, options: MigrateOptions): Migration {
  return migrate(from.guest, { host, port, maxDowntimeMs: 200, ...options });
}

/** A migration whose link can be cut where a frame of that type leaves an end, before or behind it; connections behind that are refused if `forGood`. */
function startAndCut(
  from: Seen,
  { host, port }: Listener,
  lease: MigrationLease,
  cut: {
    readonly at: keyof typeof messageType;
    readonly isSent: boolean;
    readonly forGood: boolean;
    readonly meanwhile?: () => void;
    /** What leaves in place of it; the connection stays. */
    readonly instead?: (message: Message) => Message;
  },
): {
  readonly done: Promise<unknown>;
  readonly driver: SourceDriver;
  readonly events: MigrationEvent[];
} {
  const events: MigrationEvent[] = [];
  let isCut = false;
  const driver = new SourceDriver({
    guest: from.guest,
    lease,
    clock: systemClock,
    options: resolveOptions({ maxDowntimeMs: 200, outcomeTimeoutMs: 300 }),
    emit: (event) => events.push(event),
    connect: async () => {
      if (isCut && cut.forGood) throw new FerryError('ERR_CONNECTION_LOST', 'no link');
      const channel: Channel = await connectTcp({ host, port });
      const send = channel.send.bind(channel);
      channel.send = (frame, released) => {
        if (isCut || frame[3] !== messageType[cut.at]) return send(frame, released);
        isCut = true;
        cut.meanwhile?.();
        if (cut.instead !== undefined) {
          const { header, message } = decodeMessage(frame);
          return send(encodeMessage(cut.instead(message), header), released);
        }
        if (cut.isSent) {
          const more = send(frame, released);
          setTimeout(() => channel.destroy(new FerryError('ERR_CONNECTION_LOST', 'cut')), 5);
          return more;
        }
        channel.destroy(new FerryError('ERR_CONNECTION_LOST', 'cut'));
        return false;
      };
      return channel;
    },
  });
  driver.start();
  const done = driver.done.then(
    () => 'completed',
    (error: unknown) => (error as FerryError).code,
  );
  return { done, driver, events };
}

const codeOf = (migration: Migration): Promise<string> =>
  migration.done.then(
    () => 'completed',
    (error: unknown) => (error as FerryError).code,
  );

async function until(is: () => boolean, ms = 5000): Promise<void> {
  for (const from = performance.now(); !is(); await sleep(1)) {
    if (performance.now() - from > ms) throw new Error('it never was');
  }
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pageferry-claim-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'leases');
}

async function temporaryLease(ttlMs: number): Promise<() => Promise<LeaseProvider>> {
  const folder = await temporaryFolder();
  return async () => {
    const lease = await embeddedLease({ folder, ttlMs });
    onTestFinished(() => lease.close());
    return lease;
  };
}

describe('a migration with a lease', () => {
  it('is one claim by the destination, which holds its lease from then on', async () => {
    const engine = await temporaryLease(600);
    const [here, there] = [await engine(), await engine()];
    const { listener, arrivals, to } = await destination(leaseOf(there, 'b#2'));
    const from = new Seen(true);
    from.memory.fill(7);
    expect(await codeOf(start(from, listener, { lease: leaseOf(here, 'a#1') }))).toBe('completed');
    expect(arrivals).toMatchObject([{ token: 2n }]);
    expect(to.memory).toEqual(from.memory);
    expect([from.runs, to.runs]).toEqual([false, true]);
    await sleep(1300);
    const { record, alive } = await there.read('guest');
    expect(record).toMatchObject({ owner: 'b#2', generation: 2n, inSync: ['b#2'] });
    expect(alive).toBe(2n);
    await listener.close();
    await sleep(1300);
    expect((await there.read('guest')).alive).toBeUndefined();
  });

  it('goes back and forth, and each time the token rises', async () => {
    const engine = new SimulatedEngine();
    const [a, b] = [new Seen(true), new Seen(false)];
    const first = await destination(leaseOf(engine.provider(), 'b#1'), b);
    expect(
      await codeOf(start(a, first.listener, { lease: leaseOf(engine.provider(), 'a#1') })),
    ).toBe('completed');
    const back = await destination(leaseOf(engine.provider(), 'a#1'), a);
    expect(
      await codeOf(start(b, back.listener, { lease: leaseOf(engine.provider(), 'b#1') })),
    ).toBe('completed');
    expect(back.arrivals).toMatchObject([{ token: 3n }]);
    expect(engine.recordOf('guest')).toMatchObject({ owner: 'a#1', generation: 3n });
    expect([a.runs, b.runs]).toEqual([true, false]);
  });

  it('keeps in sync who was, but for the source', async () => {
    const engine = new SimulatedEngine();
    const provider = engine.provider();
    const record = { ...recordOf('a#1', 4n), inSync: ['a#1', 's#1'] };
    await provider.swap('guest', { expected: 0n, record, unlessAlive: true });
    const { listener } = await destination(leaseOf(engine.provider(), 'b#1'));
    expect(await codeOf(start(new Seen(true), listener, { lease: leaseOf(provider, 'a#1') }))).toBe(
      'completed',
    );
    expect(engine.recordOf('guest')).toMatchObject({
      owner: 'b#1',
      generation: 5n,
      inSync: ['b#1', 's#1'],
    });
  });

  it('does not begin where another owns the guest', async () => {
    const engine = new SimulatedEngine();
    const provider = engine.provider();
    await provider.swap('guest', { expected: 0n, record: recordOf('x#1'), unlessAlive: true });
    const { listener } = await destination(leaseOf(engine.provider(), 'b#1'));
    const from = new Seen(true);
    expect(await codeOf(start(from, listener, { lease: leaseOf(provider, 'a#1') }))).toBe(
      'ERR_FENCED',
    );
    expect(from.runs).toBe(true);
  });

  it('refuses options that name no member, no guest, and what has no owner to change', async () => {
    const provider = new SimulatedEngine().provider();
    const from = new Seen(true);
    const to = { host: '127.0.0.1', port: 1 };
    expect(() => migrate(from.guest, { ...to, lease: leaseOf(provider, 'a b') })).toThrow(
      RangeError,
    );
    const noName = { ...leaseOf(provider, 'a'), name: '' };
    expect(() => migrate(from.guest, { ...to, lease: noName })).toThrow(RangeError);
    await expect(listen({ accept: () => from.guest, lease: noName })).rejects.toThrow(RangeError);
    const copied = { ...from.guest, handsOver: false };
    expect(() => migrate(copied, { ...to, lease: leaseOf(provider, 'a') })).toThrow(RangeError);
    const none = { ...leaseOf(provider, 'a'), provider: {} as LeaseProvider };
    expect(() => migrate(from.guest, { ...to, lease: none })).toThrow(TypeError);
  });

  it('wants both ends to know of it, and the same guest', async () => {
    const engine = new SimulatedEngine();
    const lease = leaseOf(engine.provider(), 'a#1');
    const from = new Seen(true);
    const without = await destination(undefined);
    expect(await codeOf(start(from, without.listener, { lease }))).toBe('ERR_INCOMPATIBLE');
    const withOne = await destination(leaseOf(engine.provider(), 'b#1'));
    expect(await codeOf(start(from, withOne.listener, {}))).toBe('ERR_INCOMPATIBLE');
    const another = await destination({ ...leaseOf(engine.provider(), 'b#1'), name: 'another' });
    expect(await codeOf(start(from, another.listener, { lease }))).toBe('ERR_INCOMPATIBLE');
    expect(from.runs).toBe(true);
  });

  it('refuses a token lower than the highest that was seen, also in another life', async () => {
    let kept = 0n;
    const tokens: TokenStore = {
      load: async () => kept,
      save: async (token) => {
        kept = token;
      },
    };
    const engine = new SimulatedEngine();
    const first = await destination(leaseOf(engine.provider(), 'b#1', tokens));
    const lease = leaseOf(engine.provider(), 'a#1');
    expect(await codeOf(start(new Seen(true), first.listener, { lease }))).toBe('completed');
    expect(kept).toBe(2n);
    const forgotten = new SimulatedEngine();
    const second = await destination(leaseOf(forgotten.provider(), 'b#2', tokens));
    const stale = leaseOf(forgotten.provider(), 'a#1');
    const from = new Seen(true);
    expect(await codeOf(start(from, second.listener, { lease: stale }))).toBe('ERR_FENCED');
    expect(from.runs).toBe(true);
  });
});

describe('a switchover whose link is cut', () => {
  it('is reclaimed at once where COMMIT was lost, and the guest runs on at the source', async () => {
    const engine = await temporaryLease(1000);
    const [here, there] = [await engine(), await engine()];
    const { listener, to } = await destination(leaseOf(there, 'b#2'));
    const from = new Seen(true);
    const cut = { at: 'COMMIT', isSent: false, forGood: true } as const;
    const { done } = startAndCut(from, listener, leaseOf(here, 'a#1'), cut);
    expect(await done).toBe('ERR_CONNECTION_LOST');
    expect([from.runs, to.runs]).toEqual([true, false]);
    expect((await here.read('guest')).record).toMatchObject({ owner: 'a#1', generation: 2n });
  });

  it('has moved where COMMIT arrived: the source asks, and is told', async () => {
    const engine = await temporaryLease(1000);
    const [here, there] = [await engine(), await engine()];
    const { listener, to } = await destination(
      leaseOf(there, 'b#2'),
      new Seen(false, { acquire: async () => {} }),
    );
    const from = new Seen(true);
    const slow: LeaseProvider = {
      ...wrapped(here),
      swap: async (guest, swap) => {
        if (swap.record.generation > 1n) await sleep(200);
        return here.swap(guest, swap);
      },
    };
    const cut = { at: 'COMMIT', isSent: true, forGood: false } as const;
    const { done } = startAndCut(from, listener, leaseOf(slow, 'a#1'), cut);
    expect(await done).toBe('completed');
    expect([from.runs, to.runs]).toEqual([false, true]);
  });

  it('leaves the source paused for good, with a code, where the destination died behind its claim', async () => {
    const engine = new SimulatedEngine();
    const never = new Seen(false, { resume: () => new Promise(() => {}) });
    const { listener } = await destination(leaseOf(engine.provider(), 'b#2'), never);
    const from = new Seen(true);
    const slow = engine.provider();
    const late: LeaseProvider = {
      ...slow,
      swap: async (guest, swap) => {
        if (swap.record.generation > 1n) await sleep(200);
        return slow.swap(guest, swap);
      },
    };
    const cut = { at: 'COMMIT', isSent: true, forGood: true } as const;
    const { done, driver } = startAndCut(from, listener, leaseOf(late, 'a#1'), cut);
    await until(() => driver.phase === 'in-doubt');
    driver.resolve('resume');
    expect(await done).toBe('ERR_FENCED');
    expect(from.runs).toBe(false);
    expect(engine.recordOf('guest')).toMatchObject({ owner: 'b#2', generation: 2n });
  });
});

describe('a destination that is killed', () => {
  it('behind its claim owns the guest, which goes on only by an operator’s word', async () => {
    const folder = await temporaryFolder();
    const program = `
      import { bufferGuest, listen } from 'pageferry';
      import { embeddedLease } from 'pageferry/lease';
      const provider = await embeddedLease({ folder: ${JSON.stringify(folder)} });
      const guest = {
        ...bufferGuest(new Uint8Array(${bytes})),
        resume: () => process.kill(process.pid, 'SIGKILL'),
      };
      const lease = { provider, name: 'guest', member: 'b#1' };
      const { port } = await listen({ accept: () => guest, lease });
      console.log(port);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    onTestFinished(() => void child.kill('SIGKILL'));
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const provider = await embeddedLease({ folder });
    onTestFinished(() => provider.close());
    const from = new Seen(true);
    const migration = migrate(from.guest, {
      ...{ host: '127.0.0.1', port: Number(`${said}`), maxDowntimeMs: 2000 },
      ...{ outcomeTimeoutMs: 300, lease: leaseOf(provider, 'a#1') },
    });
    expect(await codeOf(migration)).toBe('ERR_FENCED');
    expect(from.runs).toBe(false);
    const { record, alive } = await provider.read('guest');
    expect(record).toMatchObject({ owner: 'b#1', generation: 2n, inSync: ['b#1'] });
    expect(alive).toBeUndefined();
    const options = { name: 'guest', member: 'a#1', lease: provider };
    await expect(protect(from.guest, options)).rejects.toMatchObject({ code: 'ERR_FENCED' });
    const primary = await protect(from.guest, { ...options, acceptDataLoss: true });
    onTestFinished(() => primary.close());
    await primary.commit();
    expect(from.runs).toBe(true);
    expect(primary.token).toBe(3n);
  });
});

describe('an engine that is down', () => {
  it('lets the source copy on, and switch over once it is back', async () => {
    const engine = new SimulatedEngine();
    const reach = { now: 'answers' as Reach };
    const { listener, to } = await destination(
      leaseOf(engine.provider(), 'b#1'),
      new Seen(false),
      engine.ttlMs / 2,
    );
    const from = new Seen(true);
    const migration = start(from, listener, { lease: leaseOf(engine.provider(reach), 'a#1') });
    let rounds = 0;
    for await (const event of migration) {
      if (event.type === 'offered') reach.now = 'silent';
      if (event.type === 'round') rounds += 1;
      if (event.type === 'switchover') {
        expect(reach.now).toBe('answers');
        break;
      }
      // Longer than the lease: it has to be had back.
      if (rounds === 20) reach.now = 'answers';
    }
    expect(await codeOf(migration)).toBe('completed');
    expect([from.runs, to.runs]).toEqual([false, true]);
  });

  it('holds a guest whose lease ran out before COMMIT until that is had back', async () => {
    const engine = new SimulatedEngine();
    const reach = { now: 'answers' as Reach };
    const { listener } = await destination(leaseOf(engine.provider(), 'b#1'));
    const from = new Seen(true);
    let isOver = false;
    Object.assign(from.guest, {
      saveState: async () => {
        reach.now = 'silent';
        await sleep(2 * engine.ttlMs);
        isOver = true;
        throw new Error('no');
      },
    });
    const lease = leaseOf(engine.provider(reach), 'a#1');
    const migration = start(from, listener, { lease, onStall: 'force', maxDowntimeMs: 5000 });
    const code = codeOf(migration);
    await until(() => isOver);
    await sleep(100);
    expect(from.runs).toBe(false);
    reach.now = 'answers';
    expect(await code).toBe('ERR_GUEST');
    expect(from.runs).toBe(true);
  });

  it('leaves both paused behind COMMIT until it answers, and then one of them goes on', async () => {
    const engine = new SimulatedEngine();
    const [here, there] = [{ now: 'answers' as Reach }, { now: 'answers' as Reach }];
    const { listener, to, told } = await destination(leaseOf(engine.provider(there), 'b#1'));
    const from = new Seen(true);
    const cut = {
      ...({ at: 'COMMIT', isSent: true, forGood: false } as const),
      meanwhile: () => {
        here.now = 'silent';
        there.now = 'silent';
      },
    };
    const { done, driver, events } = startAndCut(
      from,
      listener,
      leaseOf(engine.provider(here), 'a#1'),
      cut,
    );
    await until(() => driver.phase === 'reclaiming' && told.includes('in-doubt'));
    await until(() => events.some(({ type }) => type === 'in-doubt'));
    expect([from.runs, to.runs]).toEqual([false, false]);
    there.now = 'answers';
    await until(() => to.runs);
    here.now = 'answers';
    expect(await done).toBe('completed');
    expect(from.runs).toBe(false);
  });

  it('settles by a look what happened without an answer', async () => {
    const engine = new SimulatedEngine();
    const there = { now: 'answers' as Reach };
    const { listener, to } = await destination(leaseOf(engine.provider(there), 'b#1'));
    const from = new Seen(true);
    const cut = {
      ...({ at: 'COMMIT', isSent: true, forGood: false } as const),
      meanwhile: () => {
        there.now = 'mute';
        setTimeout(() => {
          there.now = 'answers';
        }, 100);
      },
    };
    const { done } = startAndCut(from, listener, leaseOf(engine.provider(), 'a#1'), cut);
    const outcome = await done;
    expect([from.runs, to.runs]).toEqual(outcome === 'completed' ? [false, true] : [true, false]);
    expect(engine.recordOf('guest')?.owner).toBe(to.runs ? 'b#1' : 'a#1');
  });
});

describe('what the engine says besides', () => {
  it('gives the guest back where the destination claimed it and could not start it', async () => {
    const engine = new SimulatedEngine();
    const broken = new Seen(false, { resume: () => Promise.reject(new Error('no')) });
    const { listener } = await destination(leaseOf(engine.provider(), 'b#1'), broken);
    const from = new Seen(true);
    const lease = leaseOf(engine.provider(), 'a#1');
    expect(await codeOf(start(from, listener, { lease }))).toBe('ERR_START_FAILED');
    expect(from.runs).toBe(true);
    expect(engine.recordOf('guest')).toMatchObject({
      owner: 'a#1',
      generation: 3n,
      inSync: ['a#1'],
    });
  });

  it.each([
    ['in the pause', 0],
    ['before COMMIT, and the source hears of it', 200],
  ])('lets neither run where a third one took over %s', async (_, pausedMs) => {
    const engine = new SimulatedEngine();
    const provider = engine.provider();
    const { listener, to } = await destination(leaseOf(engine.provider(), 'b#1'));
    const from = new Seen(true);
    const record = recordOf('x#1', 2n);
    const saved = from.guest.saveState;
    const guest: Guest = {
      ...from.guest,
      saveState: async () => {
        await provider.swap('guest', { expected: 1n, record, unlessAlive: false });
        await sleep(pausedMs);
        return saved();
      },
    };
    const { host, port } = listener;
    const migration = migrate(guest, {
      host,
      port,
      maxDowntimeMs: 5000,
      lease: leaseOf(provider, 'a#1'),
    });
    expect(await codeOf(migration)).toBe('ERR_FENCED');
    expect([from.runs, to.runs]).toEqual([false, false]);
    expect(engine.recordOf('guest')).toEqual(record);
  });

  it('claims on an operator’s word what it was promised, if nobody is alive, and else keeps it', async () => {
    const engine = new SimulatedEngine();
    const { listener, to, told } = await destination(leaseOf(engine.provider(), 'b#1'));
    const from = new Seen(true);
    const lease = leaseOf(engine.provider(), 'a#1');
    const cut = { at: 'COMMIT', isSent: false, forGood: true } as const;
    const { done, driver } = startAndCut(from, listener, lease, cut);
    const session = Buffer.from(driver.session).toString('hex');
    await until(() => told.includes('in-doubt'));
    listener.resolve(session, 'resume');
    expect(await done).toBe('ERR_CONNECTION_LOST');
    expect([from.runs, to.runs]).toEqual([true, false]);
    await sleep(2 * engine.ttlMs);
    listener.resolve(session, 'resume');
    await until(() => to.runs);
    expect(engine.recordOf('guest')).toMatchObject({ owner: 'b#1', generation: 3n });
  });
});

describe('a peer that does not keep to it', () => {
  it.each([
    ['commits no revision', 'COMMIT', undefined, true],
    ['says that it leads while pages arrive', 'ROUND_END', lead, false],
  ] as const)('%s', async (_, at, instead, isCommitted) => {
    const engine = new SimulatedEngine();
    const { listener, to } = await destination(leaseOf(engine.provider(), 'b#1'));
    const from = new Seen(true);
    const cut = {
      ...{ at, isSent: true, forGood: false, meanwhile: () => {} },
      instead: (message: Message) =>
        instead ??
        ({ type: 'COMMIT', digest: 'digest' in message ? message.digest : digest } as const),
    };
    const { done } = startAndCut(from, listener, leaseOf(engine.provider(), 'a#1'), cut);
    expect(await done).not.toBe('completed');
    expect([from.runs, to.runs]).toEqual([true, false]);
    const generation = isCommitted ? 2n : 1n;
    expect(engine.recordOf('guest')).toMatchObject({ owner: 'a#1', generation });
  });

  it('is no destination if it takes an offer, and not the word of who leads', async () => {
    const engine = new SimulatedEngine();
    const { listener, to } = await destination(undefined);
    const from = new Seen(true);
    const instead = (): Message => ({ type: 'PING', token: 1 });
    const cut = { at: 'LEAD', isSent: true, forGood: false, instead } as const;
    const { done } = startAndCut(from, listener, leaseOf(engine.provider(), 'a#1'), cut);
    expect(await done).toBe('ERR_UNEXPECTED_MESSAGE');
    expect([from.runs, to.runs]).toEqual([true, false]);
  });
});

describe('a guest of replication', () => {
  it('is migrated when its primary let go of it, and protected where it arrived, with the same token', async () => {
    const engine = new SimulatedEngine();
    const options = (member: string) => ({ name: 'guest', member, lease: engine.provider() });
    const from = new Seen(false);
    const before = await protect(from.guest, options('a#1'));
    await before.commit();
    await before.close();
    const { listener, arrivals } = await destination(leaseOf(engine.provider(), 'b#1'));
    const lease = leaseOf(engine.provider(), 'a#1');
    expect(await codeOf(start(from, listener, { lease }))).toBe('completed');
    const guest = arrivals[0]?.guest as Guest;
    await expect(protect(guest, options('b#1'))).rejects.toMatchObject({ code: 'ERR_FENCED' });
    await expect(protect(guest, { ...options('c#1'), owned: true })).rejects.toMatchObject({
      code: 'ERR_FENCED',
    });
    const after = await protect(guest, { ...options('b#1'), owned: true });
    onTestFinished(() => after.close());
    await after.commit();
    expect(after.token).toBe(2n);
    expect(after.inSync).toEqual(['b#1']);
    // It renews what it owns, and the listener does no harm.
    await sleep(2 * engine.ttlMs);
    expect(after.mayAct).toBe(true);
    await listener.close();
    await sleep(2 * engine.ttlMs);
    expect(after.mayAct).toBe(true);
  });
});

/** The methods of a class, to be replaced one by one. */
function wrapped(lease: LeaseProvider): LeaseProvider {
  return {
    ttlMs: lease.ttlMs,
    read: (guest) => lease.read(guest),
    swap: (guest, swap) => lease.swap(guest, swap),
    renew: (guest, generation) => lease.renew(guest, generation),
    resign: (guest, generation) => lease.resign(guest, generation),
    watch: (guest, onChange) => lease.watch(guest, onChange),
    close: () => lease.close(),
    [Symbol.asyncDispose]: () => lease.close(),
  };
}
