import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import { doorLimits } from '../../src/migration/door-limits.js';
import { newToken } from '../../src/migration/trust.js';
import { FollowerSession } from '../../src/replication/follower-session.js';
import { newMember, protect } from '../../src/replication/protect.js';
import { SharedTracker } from '../../src/replication/shared-tracker.js';
import type { Epoch } from '../../src/replication/standby.js';
import { StandbySession } from '../../src/replication/standby-session.js';
import { connectTcp, Doorkeeper, listenTcp } from '../../src/transport/index.js';
import { type Reach, SimulatedEngine } from '../lease/simulated-engine.js';
import { Counter, freePort, startPrimary, startStandby, until, work } from './counter.js';

/** The port of a standby that acknowledges epochs while `answers` says so, and never claims; `mayClaim`: what it says of that. */
async function listenAs(
  member: string,
  answers: (session: StandbySession, epoch: Epoch, copy: Counter) => boolean,
  mayClaim = true,
): Promise<number> {
  const server = await listenTcp({
    ...{ host: '127.0.0.1', port: 0, areaBytes: 128 * 1024 },
    door: new Doorkeeper(doorLimits(8, 1)),
    onChannel: (channel) => {
      const copy = new Counter();
      const session: StandbySession = new StandbySession(channel, {
        ...{ name: 'counter', member, promiseMs: 0, mayClaim },
        ...{ maxImageBytes: 2 ** 30, maxStateBytes: 2 ** 20, maxEpochBytes: 2 ** 30 },
        accept: () => copy.guest,
        admit: async () => {},
        arrived: (epoch) => answers(session, epoch, copy),
        lost: () => {},
      });
    },
  });
  onTestFinished(() => server.close());
  return server.port;
}

describe('a guest with a standby', () => {
  it('tells of nothing that its standby has not, which goes on where it was when it is let go of', async () => {
    const engine = new SimulatedEngine();
    const { standby, counters } = await startStandby({ lease: engine.provider() });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const told: number[] = [];
    const worker = work(counter, primary, told);
    await until(() => told.length > 100);
    await worker.stop();
    await primary.close();
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    const there = counters.at(-1) as Counter;
    expect(there.count).toBe(counter.count);
    expect(there.inMemory).toBe(there.count);
    expect(next.token).toBe(2n);
    await until(() => there.runs);
    expect(counter.runs).toBe(false);
    there.step();
    await next.commit();
  });

  it('tells of nothing that happened outside of its memory before its standby has it', async () => {
    const engine = new SimulatedEngine();
    const { standby, counters } = await startStandby({ lease: engine.provider() });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const reach = primary.epoch;
    for (let step = 1; step <= 20; step += 1) {
      counter.count += 1;
      await primary.commit();
      expect(primary.epoch).toBe(reach + step);
    }
    expect(standby.copy?.epoch).toBe(primary.epoch);
    await primary.close();
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    expect(counters.at(-1)?.count).toBe(20);
  });

  it.each(['hash', 'compare'] as const)('is followed by a %s tracker', async (tracker) => {
    const engine = new SimulatedEngine();
    const { standby, counters } = await startStandby({ lease: engine.provider() });
    const counter = new Counter(64, tracker);
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    await until(() => counter.step() && counter.count > 50);
    await primary.commit();
    await primary.close();
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    expect(counters.at(-1)?.inMemory).toBe(counter.count);
  });

  it('may grow between two epochs', async () => {
    const engine = new SimulatedEngine();
    const make = () => new WebAssembly.Memory({ initial: 1, maximum: 8 });
    const [here, there] = [make(), make()];
    const { standby } = await startStandby({
      lease: engine.provider(),
      accept: () => bufferGuest(there, { fresh: true, maxByteLength: 8 * 65_536 }),
    });
    const guest = bufferGuest(here, { maxByteLength: 8 * 65_536 });
    const primary = await protect(guest, {
      ...{ name: 'counter', member: newMember('a'), lease: engine.provider() },
      peers: [{ host: standby.host, port: standby.port }],
    });
    onTestFinished(() => primary.close());
    await until(() => primary.inSync.length === 2);
    for (let pages = 1; pages < 8; pages += 2) {
      here.grow(2 - (pages === 7 ? 1 : 0));
      new Uint8Array(here.buffer).fill(pages, pages * 65_536);
      await primary.commit();
    }
    await primary.close();
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    expect(Buffer.compare(Buffer.from(there.buffer), Buffer.from(here.buffer))).toBe(0);
  });

  it('is followed over TLS by who has the token, and by nobody else', async () => {
    const engine = new SimulatedEngine();
    const token = newToken();
    const { standby, counters } = await startStandby({ lease: engine.provider(), token });
    const stranger = await startPrimary(new Counter(), [standby], {
      lease: new SimulatedEngine().provider(),
      token: newToken(),
    });
    const counter = new Counter();
    const lease = engine.provider();
    const primary = await startPrimary(counter, [standby], { lease, token });
    await until(() => primary.inSync.length === 2);
    for (let count = 0; count < 20; count += 1) {
      await until(() => counter.step());
      await primary.commit();
    }
    expect(stranger.inSync).toHaveLength(1);
    await primary.close();
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    expect(counters.at(-1)?.inMemory).toBe(20);
  });

  it('is taken over from who cannot reach anybody, and says nothing from then on', async () => {
    const engine = new SimulatedEngine();
    const reach: { now: Reach } = { now: 'answers' };
    const { standby, counters } = await startStandby({ lease: engine.provider() });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider(reach) });
    await until(() => primary.inSync.length === 2);
    const told: number[] = [];
    work(counter, primary, told);
    await until(() => told.length > 20);
    reach.now = 'silent';
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    const most = Math.max(...told);
    const there = counters.at(-1) as Counter;
    expect(there.count).toBeGreaterThanOrEqual(most);
    expect(primary.mayAct).toBe(false);
    await sleep(50);
    expect(Math.max(...told)).toBe(most);
    expect(counter.runs).toBe(false);
    reach.now = 'answers';
    await until(() => primary.isFenced);
    await expect(primary.commit()).rejects.toMatchObject({ code: 'ERR_FENCED' });
  });

  it('runs on without the engine while its standby promises', async () => {
    const engine = new SimulatedEngine(200);
    const reach: { now: Reach } = { now: 'answers' };
    const other: { now: Reach } = { now: 'answers' };
    const { standby } = await startStandby({ lease: engine.provider(other), promiseMs: 600 });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider(reach) });
    await until(() => primary.inSync.length === 2);
    const told: number[] = [];
    work(counter, primary, told);
    await until(() => told.length > 20);
    reach.now = 'silent';
    other.now = 'silent';
    await sleep(600);
    const before = told.length;
    await until(() => told.length > before + 50);
    expect(primary.mayAct).toBe(true);
    reach.now = 'answers';
    other.now = 'answers';
    await sleep(300);
    expect(primary.isFenced).toBe(false);
    expect(engine.recordOf('counter')?.generation).toBe(1n);
  });

  it('counts on no promise of who made none, and is not heard of any more', async () => {
    const engine = new SimulatedEngine(200);
    const reach: { now: Reach } = { now: 'answers' };
    const lease = engine.provider({ now: 'answers' });
    const one = await startStandby({ lease, member: newMember('b'), rankMs: 60_000 });
    const promising = { promiseMs: 60_000, member: newMember('c') };
    const other = await startStandby({ lease, ...promising });
    const counter = new Counter();
    const primary = await startPrimary(counter, [one.standby, other.standby], {
      lease: engine.provider(reach),
    });
    await until(() => primary.inSync.length === 3);
    // Both acknowledge.
    await until(() => counter.step());
    await primary.commit();
    reach.now = 'silent';
    await one.standby.close();
    await until(() => !primary.mayAct);
    await until(() => !counter.runs);
  });

  it('goes on alone once a standby is gone, and has it in sync again when it is back', async () => {
    const engine = new SimulatedEngine();
    const first = await startStandby({ lease: engine.provider() });
    const { port } = first.standby;
    const counter = new Counter();
    const primary = await startPrimary(counter, [first.standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const told: number[] = [];
    work(counter, primary, told);
    await until(() => told.length > 20);
    await first.standby.close();
    await until(() => primary.inSync.length === 1);
    const alone = told.length;
    await until(() => told.length > alone + 20);
    const again = await startStandby({ lease: engine.provider(), port });
    await until(() => primary.inSync.length === 2);
    const both = told.length;
    await until(() => told.length > both + 20);
    await until(() => (again.standby.copy?.epoch ?? 0) > 0);
  });

  it('has as many epochs as the target for what may be lost asks for', async () => {
    const engine = new SimulatedEngine();
    const follow = async (targetLagMs: number) => {
      const { standby } = await startStandby({ lease: engine.provider(), name: `g${targetLagMs}` });
      const counter = new Counter();
      const primary = await startPrimary(counter, [standby], {
        ...{ name: `g${targetLagMs}`, lease: engine.provider(), mode: 'async', targetLagMs },
      });
      expect(primary.lagMs).toBeUndefined();
      await until(() => primary.inSync.length === 2);
      return { counter, primary };
    };
    const [tight, loose] = [await follow(10), await follow(60_000)];
    const before = loose.primary.epoch;
    const from = tight.primary.epoch;
    await until(() => {
      tight.counter.step();
      loose.counter.step();
      return tight.primary.epoch > from + 5;
    });
    expect(loose.primary.epoch).toBe(before);
    expect(loose.primary.lagMs).toBeGreaterThan(tight.primary.lagMs ?? Number.NaN);
  });

  it('sends nothing while nothing happens', async () => {
    const engine = new SimulatedEngine();
    const { standby } = await startStandby({ lease: engine.provider() });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const { epoch } = primary;
    await sleep(100);
    await primary.commit();
    expect(primary.epoch).toBe(epoch);
  });

  it('has one of two standbys take over, whom the other follows then', async () => {
    const engine = new SimulatedEngine();
    const reach: { now: Reach } = { now: 'answers' };
    const timing = { intervalMs: 5, patienceMs: 300 };
    const twoPort = await freePort();
    const one = await startStandby({
      ...{ lease: engine.provider(), member: newMember('b'), ...timing },
      peers: [{ host: '127.0.0.1', port: twoPort }],
    });
    const two = await startStandby({
      ...{ lease: engine.provider(), member: newMember('c'), ...timing },
      ...{ port: twoPort, rankMs: 400 },
    });
    const counter = new Counter();
    const primary = await startPrimary(counter, [one.standby, two.standby], {
      lease: engine.provider(reach),
    });
    await until(() => primary.inSync.length === 3);
    const told: number[] = [];
    work(counter, primary, told);
    await until(() => told.length > 20);
    reach.now = 'silent';
    const next = await one.standby.promoted;
    onTestFinished(() => next.close());
    const now = one.counters.at(-1) as Counter;
    expect(now.count).toBeGreaterThanOrEqual(Math.max(...told));
    await until(() => now.step());
    await next.commit();
    // Whoever owned it is not waited for, and the other one follows.
    await until(() => next.inSync.length === 2);
    await until(() => now.step());
    await next.commit();
    const { count } = now;
    await next.close();
    const last = await two.standby.promoted;
    onTestFinished(() => last.close());
    expect(last.token).toBe(3n);
    expect(two.counters.at(-1)?.count).toBe(count);
  });
});

describe('a follower that may not claim', () => {
  it('is never in sync, and outputs leave without it, while it is silent too', async () => {
    const engine = new SimulatedEngine();
    const { standby } = await startStandby({ lease: engine.provider() });
    const { host } = standby;
    const epochs: number[] = [];
    let state = '';
    let acknowledge = (): void => {};
    const note = (session: StandbySession, epoch: Epoch): boolean => {
      epochs.push(epoch.number);
      state = Buffer.from(session.state).toString();
      acknowledge = () => session.acknowledge(epoch);
      return false;
    };
    const peers = [
      { host, port: standby.port },
      { host, port: await listenAs('mute', note, false) },
    ];
    const counter = new Counter();
    const lease = engine.provider();
    const primary = await startPrimary(counter, [], { lease, peers });
    await until(() => primary.inSync.length === 2 && epochs.length > 0);
    // Only the first two are sent to it; each output is one more.
    for (let step = 0; step < 20; step += 1) {
      counter.step();
      await primary.commit();
      expect(standby.copy?.epoch).toBe(primary.epoch);
    }
    // Nor has anybody lost patience with it.
    await sleep(900);
    counter.step();
    await primary.commit();
    expect(epochs.length).toBeLessThanOrEqual(2);
    const { record } = await lease.read('counter');
    expect(record?.inSync).toHaveLength(2);
    expect(record?.inSync).not.toContain('mute');
    // What it was passed over for it gets when it answers, also where nothing happens any more.
    await until(() => epochs.length === 2);
    acknowledge();
    await until(() => epochs.length === 3);
    counter.step();
    await primary.commit();
    await until(() => epochs.length === 4);
    counter.count += 1;
    await primary.commit();
    await sleep(20);
    expect(state).not.toBe(`${counter.count}`);
    acknowledge();
    await until(() => state === `${counter.count}`);
    await primary.close();
    const next = await standby.promoted;
    await next.close();
  });

  it('is not waited for where nobody else is, and has everything when it is quiet again', async () => {
    const engine = new SimulatedEngine();
    const waiting: (() => void)[] = [];
    let last = { copied: 0, state: '' };
    const note = (session: StandbySession, epoch: Epoch, copy: Counter): boolean => {
      last = { copied: copy.inMemory, state: Buffer.from(session.state).toString() };
      waiting.push(() => session.acknowledge(epoch));
      return false;
    };
    const peers = [{ host: '127.0.0.1', port: await listenAs('keeper', note, false) }];
    const counter = new Counter();
    const lease = engine.provider();
    const primary = await startPrimary(counter, [], { lease, peers });
    await until(() => waiting.length > 0);
    for (let step = 0; step < 50; step += 1) {
      counter.step();
      await primary.commit();
    }
    expect(waiting.length).toBeLessThanOrEqual(2);
    await until(() => {
      for (const acknowledge of waiting.splice(0)) acknowledge();
      return last.state === `${counter.count}`;
    });
    expect(last.copied).toBe(counter.inMemory);
    await sleep(400);
    expect((await lease.read('counter')).record?.inSync).toHaveLength(1);
  });
});

describe('a standby', () => {
  it('gets no more than eight epochs before it acknowledges the first, however many outputs wait', async () => {
    const engine = new SimulatedEngine();
    let answers = true;
    const peers = [{ host: '127.0.0.1', port: await listenAs('slow', () => answers) }];
    const counter = new Counter();
    const primary = await startPrimary(counter, [], {
      ...{ lease: engine.provider(), peers, intervalMs: 60_000, patienceMs: 2000 },
    });
    await until(() => primary.inSync.length === 2);
    answers = false;
    const before = primary.epoch;
    const outputs: Promise<void>[] = [];
    const ask = (): void => {
      if (counter.step()) outputs.push(primary.commit().catch(() => {}));
    };
    await until(() => {
      ask();
      return primary.epoch - before === 8;
    });
    for (const many = outputs.length + 50; outputs.length < many; await sleep(1)) ask();
    expect(primary.epoch - before).toBe(8);
  });

  it('that says nothing at all keeps nobody from letting go of the guest', async () => {
    const engine = new SimulatedEngine();
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on('error', () => {})));
    server.listen(0, '127.0.0.1');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const peers = [{ host: '127.0.0.1', port }];
    const primary = await startPrimary(new Counter(), [], { lease: engine.provider(), peers });
    await until(() => sockets.length === 1);
    const closed = primary.close().then(() => 'closed');
    expect(await Promise.race([closed, sleep(2000)])).toBe('closed');
  });

  it('that never acknowledges holds outputs up for as long as there is patience', async () => {
    const engine = new SimulatedEngine();
    const counter = new Counter();
    const peers = [{ host: '127.0.0.1', port: await listenAs('mute', () => false) }];
    const primary = await startPrimary(counter, [], { lease: engine.provider(), peers });
    await until(() => primary.mayAct);
    await sleep(50);
    for (let count = 0; count < 5; count += 1) {
      await until(() => counter.step());
      await primary.commit();
    }
    expect(primary.inSync).toHaveLength(1);
  });

  it('is not led by who owns nothing, and goes on with who does', async () => {
    const engine = new SimulatedEngine();
    const { standby } = await startStandby({ lease: engine.provider() });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const other = new Counter();
    const tracker = new SharedTracker(other.guest.tracker).view();
    const { host, port } = standby;
    for (const token of [0n, 2n, 2n ** 64n - 1n]) {
      const liar = new FollowerSession(await connectTcp({ host, port }), {
        ...{ guest: other.guest, tracker, name: 'counter', member: 'x', token },
        ...{ maxEpochBytes: 2 ** 20, cpuShare: 1, acknowledged: () => {}, lost: () => {} },
      });
      await expect(liar.greet()).rejects.toMatchObject({ code: 'ERR_FENCED' });
      await liar.close();
    }
    await until(() => counter.step());
    await primary.commit();
    expect(primary.inSync).toHaveLength(2);
  });

  it('that claims, and is outrun, stays in sync with what came meanwhile', async () => {
    const engine = new SimulatedEngine();
    const real = engine.provider();
    let isLate = false;
    const late: LeaseProvider = {
      ...real,
      read: async (name) => {
        const view = await real.read(name);
        return isLate ? { ...view, alive: undefined } : view;
      },
      swap: async (name, swap) => {
        await sleep(100);
        isLate = false;
        return real.swap(name, swap);
      },
    };
    const { standby } = await startStandby({ lease: late });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const heard: string[] = [];
    void (async () => {
      for await (const { type } of standby) heard.push(type);
    })();
    const told: number[] = [];
    const worker = work(counter, primary, told);
    isLate = true;
    await until(() => heard.includes('outrun'));
    const before = told.length;
    await until(() => told.length > before + 20);
    await worker.stop();
    expect(heard.filter((type) => type === 'following')).toHaveLength(1);
    expect(primary.inSync).toHaveLength(2);
    expect(standby.copy?.token).toBe(1n);
  });

  it('that cannot run what it claimed says so, and lets another one', async () => {
    const engine = new SimulatedEngine();
    const broken = await startStandby({
      lease: engine.provider(),
      member: newMember('b'),
      accept: () => {
        const { guest } = new Counter();
        return Object.assign(Object.create(guest), guest, {
          loadState: async () => {
            throw new Error('this one is broken');
          },
        });
      },
    });
    const whole = await startStandby({
      lease: engine.provider(),
      member: newMember('c'),
      rankMs: 300,
    });
    const counter = new Counter();
    const primary = await startPrimary(counter, [broken.standby, whole.standby], {
      lease: engine.provider(),
    });
    await until(() => primary.inSync.length === 3);
    await until(() => counter.step());
    await primary.commit();
    await primary.close();
    await expect(broken.standby.promoted).rejects.toThrow('this one is broken');
    const next = await whole.standby.promoted;
    onTestFinished(() => next.close());
    expect(whole.counters.at(-1)?.count).toBe(counter.count);
  });
});

describe('a claim', () => {
  it('of a guest that others may have more of is refused, unless the loss is accepted', async () => {
    const engine = new SimulatedEngine(200);
    const { standby } = await startStandby({ lease: engine.provider(), promiseMs: 0 });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    await expect(
      startPrimary(new Counter(), [], { lease: engine.provider() }),
    ).rejects.toMatchObject({ code: 'ERR_FENCED' });
    await standby.close();
    await primary.close();
    await expect(
      startPrimary(new Counter(), [], { lease: engine.provider() }),
    ).rejects.toMatchObject({ code: 'ERR_FENCED' });
    const next = await startPrimary(new Counter(), [], {
      lease: engine.provider(),
      acceptDataLoss: true,
    });
    expect(next.token).toBe(2n);
  });
});
