import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EtcdLeases } from '../../src/lease/etcd.js';
import type { OwnerRecord } from '../../src/lease/owner-record.js';
import { withInSync } from '../../src/lease/owner-record.js';
import { until } from '../processes/until.js';
import { EtcdRoom, hasEtcd, skipped } from './etcd-room.js';
import { claimOf, recordOf } from './records.js';

const ttlMs = 2000;
let room: EtcdRoom;
const opened: EtcdLeases[] = [];
let guests = 0;

function open(): EtcdLeases {
  const leases = new EtcdLeases({ endpoints: room.endpoints, ttlMs });
  opened.push(leases);
  return leases;
}

/** A guest that no other test has. */
function newGuest(): string {
  guests += 1;
  return `guest-${guests}`;
}

async function claim(
  leases: EtcdLeases,
  guest: string,
  record: OwnerRecord,
  { expected = 0n, unlessAlive = false } = {},
): Promise<bigint> {
  const outcome = await leases.swap(guest, { expected, record, unlessAlive });
  if (outcome.type !== 'won') throw new Error(`${record.owner} lost`);
  return outcome.revision;
}

async function runsOut(leases: EtcdLeases, guest: string): Promise<void> {
  await until('a lease that runs out', async () => (await leases.read(guest)).alive === undefined);
}

describe.skipIf(!hasEtcd)(`leases in etcd${skipped}`, () => {
  beforeAll(async () => {
    room = await EtcdRoom.open();
    const leases = new EtcdLeases({ endpoints: room.endpoints });
    await room.ready(() => leases.read('anybody'));
    await leases.close();
  });
  afterEach(async () => {
    for (const leases of opened.splice(0)) await leases.close();
  });
  afterAll(() => room[Symbol.asyncDispose]());

  it('are nobody’s before the first claim', async () => {
    expect(await open().read(newGuest())).toEqual({
      revision: 0n,
      record: undefined,
      alive: undefined,
    });
  });

  it('are of one of two that claim at once, and the other one learns whose', async () => {
    const guest = newGuest();
    const sides = ['a#1', 'b#1'].map((owner) => ({ owner, leases: open() }));
    const outcomes = await Promise.all(
      sides.map(({ owner, leases }) =>
        leases.swap(guest, { expected: 0n, record: recordOf(owner), unlessAlive: false }),
      ),
    );
    const [won, ...others] = outcomes.filter(({ type }) => type === 'won');
    expect(others).toEqual([]);
    const winner = sides[outcomes.indexOf(won as (typeof outcomes)[number])]?.owner as string;
    const view = { revision: (won as { revision: bigint }).revision, alive: 1n };
    expect(outcomes.filter(({ type }) => type === 'lost')).toEqual([
      { type: 'lost', view: { ...view, record: recordOf(winner) } },
    ]);
    expect(await open().read(guest)).toEqual({ ...view, record: recordOf(winner) });
  });

  it('refuse a takeover while somebody is alive, and grant it afterwards', async () => {
    const guest = newGuest();
    const [mine, theirs] = [open(), open()];
    const expected = await claim(mine, guest, recordOf('a#1'));
    const record = recordOf('b#1', 2n);
    const refused = await theirs.swap(guest, { expected, record, unlessAlive: true });
    expect(refused).toMatchObject({ type: 'lost', view: { revision: expected, alive: 1n } });
    await runsOut(theirs, guest);
    const revision = await claim(theirs, guest, record, { expected, unlessAlive: true });
    expect(revision).toBeGreaterThan(expected);
    expect(await mine.read(guest)).toEqual({ revision, record, alive: 2n });
    expect(await mine.renew(guest, 1n)).toBe(false);
  });

  it('last as long as they are renewed, whatever became of those before', async () => {
    const guest = newGuest();
    const [mine, theirs] = [open(), open()];
    const revision = await claim(mine, guest, recordOf('a#1'));
    for (const from = performance.now(); performance.now() - from < 2.5 * ttlMs; ) {
      expect(await mine.renew(guest, 1n)).toBe(true);
      expect(await theirs.read(guest)).toMatchObject({ revision, alive: 1n });
      await new Promise((resolve) => setTimeout(resolve, ttlMs / 3));
    }
    await runsOut(theirs, guest);
    expect(await mine.renew(guest, 1n)).toBe(false);
  });

  it('come back to an owner who asks for his by a swap', async () => {
    const guest = newGuest();
    const leases = open();
    const record = recordOf('a#1');
    const expected = await claim(leases, guest, record);
    await runsOut(leases, guest);
    const revision = await claim(leases, guest, record, { expected });
    expect(await leases.read(guest)).toEqual({ revision, record, alive: 1n });
    expect(await leases.renew(guest, 1n)).toBe(true);
  });

  it('go on through a change of who is in sync', async () => {
    const guest = newGuest();
    const leases = open();
    const record = recordOf('a#1');
    const expected = await claim(leases, guest, record);
    const changed = withInSync(record, ['b#1']);
    const [revision] = await Promise.all([
      claim(leases, guest, changed, { expected }),
      leases.renew(guest, 1n),
      leases.renew(guest, 1n),
    ]);
    expect(await leases.read(guest)).toEqual({ revision, record: changed, alive: 1n });
  });

  it('are not renewed, and not ended, by who claimed the same generation and lost', async () => {
    const guest = newGuest();
    const [mine, theirs] = [open(), open()];
    await claim(mine, guest, recordOf('a#1'));
    const record = { ...recordOf('b#1'), claim: claimOf(2) };
    const lost = await theirs.swap(guest, { expected: 0n, record, unlessAlive: false });
    expect(lost.type).toBe('lost');
    expect(await theirs.renew(guest, 1n)).toBe(false);
    await theirs.resign(guest, 1n);
    expect(await mine.renew(guest, 1n)).toBe(true);
  });

  it('end at once for who resigns, and nothing else does', async () => {
    const guest = newGuest();
    const [mine, theirs] = [open(), open()];
    const expected = await claim(mine, guest, recordOf('a#1'));
    await mine.resign(guest, 7n);
    expect(await theirs.read(guest)).toMatchObject({ alive: 1n });
    await mine.resign(guest, 1n);
    expect(await theirs.read(guest)).toMatchObject({ revision: expected, alive: undefined });
    expect(await mine.renew(guest, 1n)).toBe(false);
    await claim(theirs, guest, recordOf('b#1', 2n), { expected, unlessAlive: true });
    await mine.resign(guest, 1n);
    expect(await theirs.read(guest)).toMatchObject({ alive: 2n });
  });

  it('are watched: changes, ends and runnings out, of one guest only, until nobody does', async () => {
    const [guest, neighbour] = [newGuest(), newGuest()];
    const [mine, theirs] = [open(), open()];
    let calls = 0;
    const end = theirs.watch(guest, () => {
      calls += 1;
    });
    const isCalled = async (what: string): Promise<void> => {
      await until(what, () => calls > 0);
      calls = 0;
    };
    await isCalled('a watch that begins');
    await claim(mine, neighbour, recordOf('a#1'));
    expect(calls).toBe(0);
    const expected = await claim(mine, guest, recordOf('a#1'));
    await isCalled('a claim');
    await mine.resign(guest, 1n);
    await isCalled('a resignation');
    await claim(mine, guest, recordOf('a#1', 2n), { expected });
    await isCalled('another claim');
    await runsOut(mine, guest);
    await isCalled('a lease that ran out');
    end();
    await claim(theirs, guest, recordOf('b#1', 3n), {
      expected: (await theirs.read(guest)).revision,
    });
    expect(calls).toBe(0);
  });

  it('are looked after by nobody once their provider is closed', async () => {
    const leases = open();
    await leases.close();
    await expect(leases.read(newGuest())).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
  });

  it('are kept apart by their prefix', async () => {
    const guest = newGuest();
    await claim(open(), guest, recordOf('a#1'));
    const other = new EtcdLeases({ endpoints: room.endpoints, prefix: 'other/house' });
    opened.push(other);
    expect((await other.read(guest)).record).toBeUndefined();
  });
});
