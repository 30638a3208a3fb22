import { afterEach, describe, expect, it } from 'vitest';
import { EtcdLeases } from '../../src/lease/etcd.js';
import type { SwapOutcome } from '../../src/lease/swap.js';
import { until } from '../processes/until.js';
import { EtcdRoom, hasEtcd, skipped } from './etcd-room.js';
import { Gate } from './gate.js';
import { recordOf } from './records.js';

const guest = 'guest';
const ttlMs = 3000;

describe.skipIf(!hasEtcd)(`three members of etcd${skipped}`, { timeout: 60_000 }, () => {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
  });

  async function cluster(): Promise<EtcdRoom> {
    const room = await EtcdRoom.open(3);
    opened.push(room);
    const leases = new EtcdLeases({ endpoints: room.endpoints, ttlMs });
    opened.push(leases);
    await room.ready(() => leases.read(guest));
    return room;
  }

  function open(endpoints: readonly string[]): EtcdLeases {
    const leases = new EtcdLeases({ endpoints, ttlMs });
    opened.push(leases);
    return leases;
  }

  it('go on without their leader, and a lease that is renewed lasts', async () => {
    const room = await cluster();
    const leases = open(room.endpoints);
    const won = await leases.swap(guest, {
      ...{ expected: 0n, record: recordOf('a#1'), unlessAlive: false },
    });
    expect(won.type).toBe('won');
    const leader = await room.leader();
    leader.process.kill('SIGKILL');
    const from = performance.now();
    await until('a renewal', () => leases.renew(guest, 1n).catch(() => false));
    console.log(`renewed ${Math.round(performance.now() - from)} ms after the leader was killed`);
    const view = await leases.read(guest);
    expect(view).toMatchObject({ record: recordOf('a#1'), alive: 1n });
    const record = recordOf('a#1', 2n);
    const swap = { expected: view.revision, record, unlessAlive: false };
    expect(await leases.swap(guest, swap)).toMatchObject({ type: 'won' });
  });

  it('are claimed from once another one leads', async () => {
    const room = await cluster();
    const leases = open(room.endpoints);
    (await room.leader()).process.kill('SIGKILL');
    const from = performance.now();
    const swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: true };
    let outcome: SwapOutcome | undefined;
    await until('a claim', async () => {
      outcome = await leases.swap(guest, swap).catch(() => undefined);
      return outcome !== undefined;
    });
    console.log(`claimed ${Math.round(performance.now() - from)} ms after the leader was killed`);
    // An earlier try may have been the one that won.
    expect(await leases.read(guest)).toMatchObject({ record: swap.record, alive: 1n });
  });

  it('are asked in turn: one that cannot be reached costs its share of the time', async () => {
    const room = await cluster();
    const gate = await Gate.open(room.nodes[0]?.port ?? 0);
    opened.push(gate);
    gate.there = () => 'drop';
    const leases = open([gate.url, ...room.endpoints.slice(1)]);
    const swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: false };
    expect((await leases.swap(guest, swap)).type).toBe('won');
    expect(await leases.renew(guest, 1n)).toBe(true);
  });

  it('are of one cluster: another one is not believed', async () => {
    const rooms = [await EtcdRoom.open(), await EtcdRoom.open()];
    opened.push(...rooms);
    const endpoints = rooms.flatMap((room) => room.endpoints);
    for (const room of rooms) await room.ready(() => open(room.endpoints).read(guest));
    const leases = open(endpoints);
    const swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: false };
    expect((await leases.swap(guest, swap)).type).toBe('won');
    rooms[0]?.nodes[0]?.process.kill('SIGKILL');
    await expect(leases.read(guest)).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
  });

  it('say nothing when only one of them is left', async () => {
    const room = await cluster();
    const leases = open(room.endpoints);
    const swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: false };
    expect((await leases.swap(guest, swap)).type).toBe('won');
    for (const node of room.nodes.slice(1)) node.process.kill('SIGKILL');
    const unknown = { code: 'ERR_LEASE_UNKNOWN' };
    await expect(leases.read(guest)).rejects.toMatchObject(unknown);
    await expect(leases.renew(guest, 1n)).rejects.toMatchObject(unknown);
    // It says so by itself once it has missed its leader.
    const last = open(room.endpoints.slice(0, 1));
    await until('a member without a leader', () =>
      last.read(guest).then(
        () => false,
        ({ message }: Error) => message.includes('no leader'),
      ),
    );
  });
});
