import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FerryError } from '../../src/errors.js';
import { Fence } from '../../src/lease/fence.js';
import { handedOver } from '../../src/lease/owner-record.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import { DestinationLease } from '../../src/migration/destination-lease.js';
import { Ownership } from '../../src/migration/ownership.js';
import { SourceLease } from '../../src/migration/source-lease.js';
import type { Lead } from '../../src/protocol/messages.js';
import { claimOf, recordOf } from '../lease/records.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';

const first = { expected: 0n, record: recordOf('a'), unlessAlive: true };

function own(provider: LeaseProvider, member = 'a'): Ownership {
  const ownership = new Ownership({ provider, name: 'g', member });
  onTestFinished(() => ownership.end(new Error('the test is over')));
  return ownership;
}

/** An engine whose answers to swaps take as long as `ms` says each time. */
function late(provider: LeaseProvider, ms: () => number): LeaseProvider {
  return {
    ...provider,
    swap: async (guest, swap) => {
      const outcome = await provider.swap(guest, swap);
      await sleep(ms());
      return outcome;
    },
  };
}

describe('an ownership', () => {
  it('that is told of later than it lasts is asked for again', async () => {
    const engine = new SimulatedEngine(1000);
    const waits = [950, 0];
    const ownership = own(late(engine.provider(), () => waits.shift() ?? 0));
    expect(await ownership.take(first)).toBeUndefined();
    expect(ownership.owned).toEqual({ record: first.record, revision: 2n });
    expect(ownership.covers(10)).toBe(true);
    expect(ownership.covers(2000)).toBe(false);
  });

  it('is none where another claimed before it was told of', async () => {
    const engine = new SimulatedEngine(1000);
    const ownership = own(late(engine.provider(), () => 950));
    const taken = ownership.take(first);
    await sleep(50);
    const record = recordOf('x', 2n);
    await engine.provider().swap('g', { expected: 1n, record, unlessAlive: false });
    expect(await taken).toMatchObject({ record, revision: 2n });
  });

  it('is given up while the engine does not answer, for the reason it is told', async () => {
    const engine = new SimulatedEngine();
    const ownership = own(engine.provider({ now: 'silent' }));
    let doubts = 0;
    ownership.onDoubt = () => {
      doubts += 1;
    };
    const taken = ownership.take(first);
    setTimeout(() => ownership.end(new Error('enough')), 200);
    await expect(taken).rejects.toThrow('enough');
    expect(doubts).toBe(1);
  });
});

describe('a destination’s lease', () => {
  const lead: Lead = { type: 'LEAD', token: 1n, maxEpochBytes: 0, guest: 'g', member: 'a' };

  async function follow(engine: SimulatedEngine, said: Lead): Promise<DestinationLease> {
    const closed = new AbortController();
    onTestFinished(() => closed.abort(new Error('the test is over')));
    const options = { provider: engine.provider(), name: 'g', member: 'b' };
    const shared = { options, fence: await Fence.open(), closed: closed.signal };
    const lease = new DestinationLease(shared, () => {});
    await lease.follow(said);
    return lease;
  }

  it('claims only from who leads: a record that names another, or another token, is not its', async () => {
    const engine = new SimulatedEngine();
    await engine.provider().swap('g', first);
    for (const said of [
      { ...lead, member: 'x' },
      { ...lead, token: 2n },
    ]) {
      const lease = await follow(engine, said);
      await expect(lease.claim(1n)).rejects.toMatchObject({ code: 'ERR_FENCED' });
    }
    const lease = await follow(engine, lead);
    await expect(lease.claim(2n)).rejects.toMatchObject({ code: 'ERR_FENCED' });
    expect(engine.recordOf('g')).toEqual(first.record);
    await lease.claim(1n);
    expect(engine.recordOf('g')).toMatchObject({ owner: 'b', generation: 2n });
  });

  it('ends at once where what was claimed does not run', async () => {
    const engine = new SimulatedEngine();
    await engine.provider().swap('g', first);
    const lease = await follow(engine, lead);
    await lease.claim(1n);
    await lease.resign();
    await sleep(engine.ttlMs / 2);
    expect((await engine.provider().read('g')).alive).toBeUndefined();
  });
});

describe('a source’s lease that is being had back when COMMIT leaves', () => {
  /** A source whose lease ran out, and whose swaps are made so late. */
  async function reviving(lateMs: number): Promise<{
    readonly engine: SimulatedEngine;
    readonly lease: SourceLease;
    readonly fenced: FerryError[];
  }> {
    const engine = new SimulatedEngine();
    const provider = engine.provider();
    const fenced: FerryError[] = [];
    let swaps = 0;
    let isOut = false;
    const slow: LeaseProvider = {
      ...provider,
      renew: async (guest, generation) => !isOut && provider.renew(guest, generation),
      swap: async (guest, swap) => {
        swaps += 1;
        if (swaps === 2) await sleep(lateMs);
        return provider.swap(guest, swap);
      },
    };
    const lease = new SourceLease({
      options: { provider: slow, name: 'g', member: 'a' },
      fenced: (error) => fenced.push(error),
      doubt: () => {},
    });
    onTestFinished(() => lease.end());
    await lease.begin();
    lease.destination = 'b';
    isOut = true;
    while (swaps < 2) await sleep(1);
    return { engine, lease, fenced };
  }

  it('is waited for before the source reclaims, which does not lose to itself', async () => {
    const { engine, lease, fenced } = await reviving(100);
    lease.committed();
    expect(await lease.reclaim(false)).toBe('us');
    expect(lease.revision()).toBe(3n);
    expect(engine.recordOf('g')).toMatchObject({ owner: 'a', generation: 2n });
    expect(fenced).toEqual([]);
  });

  it('is no news when the destination was first: that is what was committed', async () => {
    const { engine, lease, fenced } = await reviving(100);
    lease.committed();
    const record = handedOver(recordOf('a'), 'b', claimOf(7));
    await engine.provider().swap('g', { expected: 1n, record, unlessAlive: false });
    expect(await lease.reclaim(false)).toBe('destination');
    expect(fenced).toEqual([]);
    expect(lease.fenced).toBeUndefined();
  });
});
