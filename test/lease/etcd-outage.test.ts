import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { actOf, beginClaim, type ClaimState, stepClaim } from '../../src/lease/claim.js';
import { EtcdLeases } from '../../src/lease/etcd.js';
import type { Swap } from '../../src/lease/swap.js';
import { until } from '../processes/until.js';
import { EtcdRoom, hasEtcd, skipped } from './etcd-room.js';
import { Gate } from './gate.js';
import { recordOf } from './records.js';

const guest = 'guest';
const unknown = { code: 'ERR_LEASE_UNKNOWN' };
const first: Swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: false };

/** Asks until it is known what became of a swap. */
async function settle(leases: EtcdLeases, begun: ClaimState): Promise<ClaimState> {
  let state = begun;
  for (let act = actOf(state); act !== undefined; act = actOf(state)) {
    try {
      state =
        act === 'read'
          ? stepClaim(state, { type: 'read', view: await leases.read(guest) })
          : stepClaim(state, {
              type: 'answered',
              outcome: await leases.swap(guest, state.swap),
            });
    } catch {
      state = stepClaim(state, { type: 'unanswered' });
    }
  }
  return state;
}

function isChange(chunk: Buffer): boolean {
  return chunk.includes('"compare"');
}

describe.skipIf(!hasEtcd)(`where etcd is not to be reached${skipped}`, () => {
  let room: EtcdRoom;
  let gate: Gate;
  let prefixes = 0;
  /** Of a process behind the gate, and of one that is not. */
  let behind: EtcdLeases;
  let beside: EtcdLeases;

  beforeAll(async () => {
    room = await EtcdRoom.open();
  });
  beforeEach(async () => {
    gate = await Gate.open(room.nodes[0]?.port ?? 0);
    prefixes += 1;
    const options = { prefix: `test-${prefixes}`, ttlMs: 2000, timeoutMs: 500 };
    behind = new EtcdLeases({ ...options, endpoints: [gate.url] });
    beside = new EtcdLeases({ ...options, endpoints: room.endpoints });
    await room.ready(() => beside.read(guest));
  });
  afterEach(async () => {
    await behind.close();
    await beside.close();
    await gate[Symbol.asyncDispose]();
  });
  afterAll(() => room[Symbol.asyncDispose]());

  it.each([
    ['questions', { there: () => 'drop' as const }],
    ['answers', { back: () => 'drop' as const }],
  ])('a call whose %s are lost ends, and says that nobody knows', async (_, lost) => {
    expect((await behind.swap(guest, first)).type).toBe('won');
    Object.assign(gate, lost);
    await expect(behind.read(guest)).rejects.toMatchObject(unknown);
    await expect(behind.swap(guest, first)).rejects.toMatchObject(unknown);
    await expect(behind.renew(guest, 1n)).rejects.toMatchObject(unknown);
    await expect(behind.resign(guest, 1n)).rejects.toMatchObject(unknown);
  });

  it('a swap that happened without an answer is found by a look', async () => {
    gate.there = (chunk) => {
      if (isChange(chunk)) gate.back = () => 'drop';
      return 'pass';
    };
    await expect(behind.swap(guest, first)).rejects.toMatchObject(unknown);
    const { revision } = await beside.read(guest);
    expect(await beside.read(guest)).toEqual({ revision, record: first.record, alive: 1n });
    gate.there = () => 'pass';
    gate.back = () => 'pass';
    const doubtful = stepClaim(beginClaim(first), { type: 'unanswered' });
    const settled = await settle(behind, doubtful);
    expect(settled).toMatchObject({ phase: 'won', revision, timely: false });
    expect(await behind.renew(guest, 1n)).toBe(true);
  });

  it('a swap without an answer is not repeated elsewhere, where it would find itself and take it for another’s', async () => {
    await behind.close();
    const endpoints = [gate.url, ...room.endpoints];
    behind = new EtcdLeases({ endpoints, prefix: `test-${prefixes}`, ttlMs: 2000 });
    await behind.read(guest);
    gate.there = (chunk) => {
      if (isChange(chunk)) gate.back = () => 'drop';
      return 'pass';
    };
    await expect(behind.swap(guest, first)).rejects.toMatchObject(unknown);
    expect(await behind.read(guest)).toMatchObject({ record: first.record, alive: 1n });
  });

  it('a swap that never left is made by the next try', async () => {
    gate.there = (chunk) => (isChange(chunk) ? 'drop' : 'pass');
    await expect(behind.swap(guest, first)).rejects.toMatchObject(unknown);
    expect(await beside.read(guest)).toMatchObject({ revision: 0n });
    gate.there = () => 'pass';
    const doubtful = stepClaim(beginClaim(first), { type: 'unanswered' });
    expect(await settle(behind, doubtful)).toMatchObject({ phase: 'won', timely: true });
  });

  /** Has `call`'s change wait at the gate. */
  async function held(call: () => Promise<unknown>): Promise<void> {
    gate.there = (chunk) => (isChange(chunk) ? 'hold' : 'pass');
    await expect(call()).rejects.toMatchObject(unknown);
    expect(gate.held).toBe(1);
    gate.there = () => 'pass';
  }

  /** Resolves once the engine has answered what was held. */
  async function delivered(): Promise<void> {
    let answers = 0;
    gate.back = () => {
      answers += 1;
      return 'pass';
    };
    gate.release();
    await until('an answer to what is late', () => answers > 0);
  }

  it('a swap that arrives late is made while nothing else was, and only then', async () => {
    await held(() => behind.swap(guest, first));
    expect(await beside.read(guest)).toMatchObject({ revision: 0n });
    await delivered();
    const view = await beside.read(guest);
    expect(view).toMatchObject({ record: first.record, alive: 1n });
  });

  it('a swap that arrives after another’s change has no effect', async () => {
    await held(() => behind.swap(guest, first));
    const theirs = { ...first, record: recordOf('b#1') };
    expect((await beside.swap(guest, theirs)).type).toBe('won');
    // Nobody is alive, as nobody was when it left.
    await beside.resign(guest, 1n);
    const view = await beside.read(guest);
    await delivered();
    expect(await beside.read(guest)).toEqual(view);
    const doubtful = stepClaim(beginClaim(first), { type: 'unanswered' });
    expect(await settle(behind, doubtful)).toMatchObject({ phase: 'lost', view });
  });

  it('what arrives after a renewal does not put an older lease in its place', async () => {
    const won = await beside.swap(guest, first);
    const expected = won.type === 'won' ? won.revision : 0n;
    // The same owner's, as of the same process: its own lease is granted, and its change waits.
    await held(() => behind.swap(guest, { ...first, expected }));
    expect(await beside.renew(guest, 1n)).toBe(true);
    const view = await beside.read(guest);
    await delivered();
    expect(await beside.read(guest)).toEqual(view);
    expect(view).toMatchObject({ revision: expected, alive: 1n });
  });

  it('a renewal that arrives after a resignation brings nothing back', async () => {
    await behind.swap(guest, first);
    await held(() => behind.renew(guest, 1n));
    await behind.resign(guest, 1n);
    await delivered();
    expect(await beside.read(guest)).toMatchObject({ alive: undefined });
  });

  it('a watch says so, and goes on once it can', async () => {
    let calls = 0;
    const end = behind.watch(guest, () => {
      calls += 1;
    });
    await until('a watch', () => calls > 0);
    gate.there = () => 'drop';
    gate.back = () => 'drop';
    const before = calls;
    await beside.swap(guest, first);
    await until('a watch that cannot tell', () => calls > before);
    gate.there = () => 'pass';
    gate.back = () => 'pass';
    const during = calls;
    await until('a watch that has begun again', () => calls > during);
    end();
  });

  it('an engine that stands still is waited for no longer than a call may take', async () => {
    const child = room.nodes[0]?.process;
    child?.kill('SIGSTOP');
    await until('a process that stands still', () =>
      readFileSync(`/proc/${child?.pid}/stat`, 'utf8').includes(') T '),
    );
    try {
      await expect(beside.swap(guest, first)).rejects.toMatchObject(unknown);
      await expect(beside.read(guest)).rejects.toMatchObject(unknown);
    } finally {
      child?.kill('SIGCONT');
    }
    const doubtful = stepClaim(beginClaim(first), { type: 'unanswered' });
    expect((await settle(beside, doubtful)).phase).toBe('won');
  });

  it('nobody there is no answer either', async () => {
    const leases = new EtcdLeases({ endpoints: ['http://127.0.0.1:9'], ttlMs: 2000 });
    await expect(leases.read(guest)).rejects.toMatchObject(unknown);
    await expect(leases.swap(guest, first)).rejects.toMatchObject(unknown);
    await leases.close();
  });
});
