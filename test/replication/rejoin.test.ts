import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { systemClock } from '../../src/migration/clock.js';
import { doorLimits } from '../../src/migration/door-limits.js';
import { Link } from '../../src/migration/link.js';
import type { Message } from '../../src/protocol/messages.js';
import { FollowerSession } from '../../src/replication/follower-session.js';
import { newMember, protect } from '../../src/replication/protect.js';
import { SharedTracker } from '../../src/replication/shared-tracker.js';
import type { Standby } from '../../src/replication/standby-driver.js';
import { connectTcp, Doorkeeper, listenTcp } from '../../src/transport/index.js';
import { openStore } from '../guests/wasi/store.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';
import {
  Counter,
  freePort,
  pageBytes,
  startPrimary,
  startStandby,
  until,
  work,
} from './counter.js';
import { comparisonsOf, empty, filled, handOver, pages, pair } from './pair.js';
import { Relay } from './relay.js';

/** Another connection of the owner of `counter`. */
async function lead({ guest }: Counter, { host, port }: Standby): Promise<FollowerSession> {
  const session = new FollowerSession(await connectTcp({ host, port }), {
    ...{ guest, tracker: new SharedTracker(guest.tracker).view(), name: 'counter', member: 'x' },
    ...{ token: 1n, maxEpochBytes: 2 ** 20, cpuShare: 1, acknowledged: () => {}, lost: () => {} },
  });
  onTestFinished(() => session.close());
  return session;
}

describe('a standby that comes back', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'is sent only what differs, while the guest runs (%s)',
    async (tracker) => {
      const { relay, counter, primary, standby, counters, compared } = await pair(tracker);
      const told: number[] = [];
      const worker = work(counter, primary, told);
      await until(() => told.length > 20);
      relay.cut();
      await until(() => primary.inSync.length === 1);
      const alone = told.length;
      await until(() => told.length > alone + 20);
      relay.said = 0;
      relay.mend();
      await until(() => primary.inSync.length === 2);
      const { said } = relay;
      const both = told.length;
      await until(() => told.length > both + 20);
      await worker.stop();
      await handOver(primary, standby);
      expect(counters).toHaveLength(1);
      const there = counters[0] as Counter;
      expect(there.inMemory).toBe(there.count);
      expect(there.count).toBeGreaterThanOrEqual(Math.max(...told));
      expect(Buffer.compare(there.memory, counter.memory)).toBe(0);
      const [{ samePages, totalPages } = { samePages: 0, totalPages: 0 }] = compared;
      expect(totalPages).toBe(pages);
      expect(samePages).toBeGreaterThan(pages / 2);
      expect(said).toBeLessThan((pages * pageBytes) / 2);
    },
  );

  it('is sent a page that was damaged here meanwhile', async () => {
    const { relay, counter, primary, standby, counters, compared } = await pair();
    relay.cut();
    await until(() => primary.inSync.length === 1);
    const there = counters[0] as Counter;
    there.memory.fill(0xee, 777 * pageBytes, 777 * pageBytes + 5);
    relay.mend();
    await until(() => primary.inSync.length === 2);
    expect(compared).toMatchObject([{ samePages: pages - 1, totalPages: pages }]);
    await handOver(primary, standby);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare(there.memory, counter.memory)).toBe(0);
  });

  it('goes on with a copy of which not all had come', async () => {
    const engine = new SimulatedEngine();
    const counters: Counter[] = [];
    const { standby } = await startStandby({ lease: engine.provider(), accept: empty(counters) });
    const relay = await Relay.to(standby.port);
    const counter = filled();
    const primary = await startPrimary(counter, [], {
      ...{ lease: engine.provider(), cpuShare: 0.01 },
      peers: [{ host: '127.0.0.1', port: relay.port }],
    });
    const compared = comparisonsOf(primary);
    await until(() => relay.said > 2 ** 20);
    expect(standby.copy).toBeUndefined();
    relay.cut();
    await sleep(20);
    expect(standby.copy).toBeUndefined();
    relay.mend();
    await until(() => primary.inSync.length === 2);
    expect(compared[0]?.samePages).toBeGreaterThan(0);
    await handOver(primary, standby);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare((counters[0] as Counter).memory, counter.memory)).toBe(0);
  });

  it('has nothing whole while it compares, and keeps what it is in sync with', async () => {
    const { relay, counter, primary, standby, engine } = await pair();
    const { epoch } = standby.copy ?? { epoch: 0 };
    const second = await lead(counter, standby);
    await expect(second.greet()).rejects.toMatchObject({ code: 'ERR_BUSY' });
    expect(standby.copy?.epoch).toBeGreaterThanOrEqual(epoch);
    relay.cut();
    await until(() => primary.inSync.length === 1);
    // It is never sent an epoch.
    const silent = await lead(counter, standby);
    await silent.greet();
    expect(standby.copy).toBeUndefined();
    expect(engine.recordOf('counter')?.inSync).toHaveLength(1);
  });

  it('is sent all of a guest that does not fit what it holds', async () => {
    const engine = new SimulatedEngine();
    const counters: Counter[] = [];
    const { standby } = await startStandby({
      ...{ lease: engine.provider(), older: new Counter(64).guest },
      accept: empty(counters),
    });
    const counter = filled();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    const compared = comparisonsOf(primary);
    await until(() => primary.inSync.length === 2);
    expect(compared).toEqual([]);
    await handOver(primary, standby);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare((counters[0] as Counter).memory, counter.memory)).toBe(0);
  });

  it('takes no word for zeros of a guest that ran', async () => {
    const engine = new SimulatedEngine();
    const older = new Uint8Array(64 * pageBytes).fill(7);
    const guest = bufferGuest(older, {
      ...{ version: 'counter', fresh: true, saveState: () => older, loadState: () => {} },
    });
    const { standby } = await startStandby({ lease: engine.provider(), older: guest });
    const counter = new Counter();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    await handOver(primary, standby);
    expect(older.every((byte) => byte === 0)).toBe(true);
  });

  it('is sent all of it once more where what it holds cannot be filled', async () => {
    const engine = new SimulatedEngine();
    const counters: Counter[] = [];
    const { guest } = new Counter(pages);
    const regions = guest.regions.map((region) => ({
      ...region,
      byteLength: region.byteLength,
      fresh: false,
      memory: undefined,
      write: () => Promise.reject(new Error('it is read only')),
    }));
    const { standby } = await startStandby({
      ...{
        lease: engine.provider(),
        older: Object.assign(Object.create(guest), guest, { regions }),
      },
      accept: empty(counters),
    });
    const counter = filled();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    await handOver(primary, standby);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare((counters[0] as Counter).memory, counter.memory)).toBe(0);
  });

  it('follows another primary with what it has of the one before', async () => {
    const engine = new SimulatedEngine();
    const counters: Counter[] = [];
    const two = await startStandby({
      ...{ lease: engine.provider(), member: newMember('c'), rankMs: 1000 },
      accept: empty(counters),
    });
    const one = await startStandby({
      ...{ lease: engine.provider(), intervalMs: 5, patienceMs: 300 },
      peers: [{ host: two.standby.host, port: two.standby.port }],
      accept: empty([]),
    });
    const counter = filled();
    const primary = await startPrimary(counter, [one.standby, two.standby], {
      lease: engine.provider(),
    });
    await until(() => primary.inSync.length === 3);
    await until(() => counter.step());
    await primary.commit();
    const next = await handOver(primary, one.standby);
    const compared = comparisonsOf(next);
    await until(() => next.inSync.length === 2 && next.inSync.some((id) => id.startsWith('c')));
    await until(() => two.standby.copy?.token === 2n);
    expect(compared).toMatchObject([{ samePages: pages }]);
    await handOver(next, two.standby);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare((counters[0] as Counter).memory, counter.memory)).toBe(0);
  });
});

describe('an owner that becomes a standby', () => {
  it('is sent what the next one changed, and goes on with it', async () => {
    const engine = new SimulatedEngine();
    const counters: Counter[] = [];
    const port = await freePort();
    const { standby } = await startStandby({
      ...{ lease: engine.provider(), accept: empty(counters), intervalMs: 5 },
      peers: [{ host: '127.0.0.1', port }],
    });
    const counter = filled();
    const primary = await startPrimary(counter, [standby], { lease: engine.provider() });
    await until(() => primary.inSync.length === 2);
    const next = await handOver(primary, standby);
    const compared = comparisonsOf(next);
    const there = counters[0] as Counter;
    for (let count = 0; count < 10; ) if (there.step()) count += 1;
    const back = await startStandby({
      ...{ lease: engine.provider(), member: newMember('a'), port, older: counter.guest },
      accept: () => Promise.reject(new Error('nothing else is wanted')),
    });
    await until(() => back.standby.copy !== undefined && next.inSync.length === 2);
    expect(compared).toMatchObject([{ samePages: pages - 11, totalPages: pages }]);
    for (let count = 0; count < 10; ) if (there.step()) count += 1;
    await next.commit();
    await handOver(next, back.standby);
    expect(counter.count).toBe(20);
    expect(Buffer.compare(counter.memory, there.memory)).toBe(0);
    await until(() => counter.runs);
  });

  it('has the files of a WASI program as they came, grew and went since', async () => {
    const engine = new SimulatedEngine();
    const port = await freePort();
    const [here, there] = [await openStore(), await openStore()];
    const { standby } = await startStandby({
      ...{ lease: engine.provider(), accept: () => there.guest, intervalMs: 5 },
      peers: [{ host: '127.0.0.1', port }],
    });
    const primary = await protect(here.guest, {
      ...{ name: 'counter', member: newMember('a'), lease: engine.provider(), intervalMs: 5 },
      peers: [{ host: standby.host, port: standby.port }],
    });
    onTestFinished(() => primary.close());
    await until(() => primary.inSync.length === 2);
    const next = await handOver(primary, standby);
    const compared = comparisonsOf(next);
    const before = there.store.getSteps();
    await until(() => there.store.getSteps() > before + 1000);
    const back = await startStandby({
      ...{ lease: engine.provider(), member: newMember('a'), port, older: here.guest },
      accept: () => Promise.reject(new Error('nothing else is wanted')),
    });
    await until(() => back.standby.copy !== undefined && next.inSync.length === 2);
    expect(compared[0]?.samePages).toBeGreaterThan(0);
    const reached = there.store.getSteps();
    await until(() => there.store.getSteps() > reached + 1000);
    await next.close();
    const [steps, digest] = [there.store.getSteps(), there.store.getDigest()];
    const last = await back.standby.promoted;
    onTestFinished(() => last.close());
    await here.guest.run(() => {
      expect(here.store.getSteps()).toBeGreaterThanOrEqual(steps);
      if (here.store.getSteps() === steps) expect(here.store.getDigest()).toBe(digest);
      expect(here.store.damaged()).toBe(0);
    });
  });
});

describe('a standby that tells of what was not asked for', () => {
  const digests = new Uint8Array(16 * 8);
  it.each<[string, Message]>([
    ['a range that is not there', { type: 'HELD', region: 0, level: 'range', first: 8, digests }],
    [
      'all ranges and more',
      { type: 'HELD', region: 0, level: 'range', first: 0, digests: new Uint8Array(16 * 9) },
    ],
    [
      'ranges out of order',
      { type: 'HELD', region: 0, level: 'range', first: 1, digests: new Uint8Array(16) },
    ],
    ['a region that is not there', { type: 'HELD', region: 9, level: 'range', first: 0, digests }],
    ['pages nobody asked about', { type: 'HELD', region: 0, level: 'page', first: 0, digests }],
    [
      'pages beyond the last',
      { type: 'HELD', region: 0, level: 'page', first: 0xffff_ff00, digests },
    ],
  ])('such as %s is heard no more', async (_, lie) => {
    const [error] = await lieTo(lie, 'held');
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_MESSAGE' });
  });

  it('where nothing is held is heard no more', async () => {
    const lie: Message = { type: 'HELD', region: 0, level: 'range', first: 0, digests };
    const [error] = await lieTo(lie, 'unknown');
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_MESSAGE' });
  });
});

/** Follows a primary, and says `lie` behind ACCEPT: what the primary ends it with. */
async function lieTo(lie: Message, base: 'held' | 'unknown'): Promise<FerryError[]> {
  const server = await listenTcp({
    ...{ host: '127.0.0.1', port: 0, areaBytes: 128 * 1024 },
    door: new Doorkeeper(doorLimits(8, 1)),
    onChannel: (channel) => {
      const link = new Link(channel, systemClock, undefined, {
        onMessage: ({ type }) => {
          if (type === 'HELLO') {
            const common = { standing: 'new', capabilities: 16, lastAppliedSeq: 0 } as const;
            link.send({ type: 'HELLO_ACK', version: 1, ...common });
          }
          if (type === 'LEAD')
            link.send({ type: 'FOLLOW', promiseMs: 0, mayClaim: true, member: 'liar' });
          if (type !== 'OFFER') return;
          link.send({ type: 'ACCEPT', bases: [base] });
          link.send(lie);
        },
        onClosed: () => {},
      });
    },
  });
  onTestFinished(() => server.close());
  const { guest } = filled();
  const lost: FerryError[] = [];
  const { host, port } = server;
  const session = new FollowerSession(await connectTcp({ host, port }), {
    ...{ guest, tracker: new SharedTracker(guest.tracker).view(), name: 'counter', member: 'a' },
    ...{ token: 1n, maxEpochBytes: 2 ** 20, cpuShare: 1, acknowledged: () => {} },
    lost: (error) => lost.push(error),
  });
  onTestFinished(() => session.close());
  session.greet().catch(() => {});
  await until(() => lost.length > 0);
  return lost;
}
