import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import type { DecisionContext } from '../../src/replication/decision.js';
import type { StandbyEvent } from '../../src/replication/events.js';
import type { Primary } from '../../src/replication/primary-driver.js';
import { PromotionQueue } from '../../src/replication/promotion-queue.js';
import { newMember, protect } from '../../src/replication/protect.js';
import { type Standby, standby } from '../../src/replication/standby-driver.js';
import type { StandbyOptions } from '../../src/replication/standby-options.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';

async function until(is: () => boolean): Promise<void> {
  for (const from = performance.now(); !is(); await sleep(1)) {
    if (performance.now() - from > 5000) throw new Error('it never was');
  }
}

interface Pair {
  readonly memory: Uint8Array;
  readonly copy: Uint8Array;
  readonly primary: Primary;
  readonly standby: Standby;
  readonly events: StandbyEvent[];
}

/** A primary, and a standby that is in sync. */
async function pair(
  engine: SimulatedEngine,
  options: Partial<StandbyOptions>,
  lease: LeaseProvider = engine.provider(),
): Promise<Pair> {
  const { name = 'g' } = options;
  const [memory, copy] = [new Uint8Array(8192), new Uint8Array(8192)];
  const made = await standby({
    ...{ name, member: newMember('b'), lease: engine.provider() },
    accept: () => bufferGuest(copy),
    ...options,
  });
  onTestFinished(() => made.close());
  const events: StandbyEvent[] = [];
  void (async () => {
    for await (const event of made) events.push(event);
  })();
  const primary = await protect(bufferGuest(memory), {
    ...{ name, member: newMember('a'), lease, intervalMs: 5 },
    peers: [{ host: made.host, port: made.port }],
  });
  onTestFinished(() => primary.close());
  memory.fill(7);
  await until(() => primary.inSync.length === 2);
  await primary.commit();
  return { memory, copy, primary, standby: made, events };
}

async function promotedOf({ standby }: Pair): Promise<Primary> {
  const next = await standby.promoted;
  onTestFinished(() => next.close());
  return next;
}

describe('a standby that is asked to decide', () => {
  it('waits as long as it is told to, and knows what it decides about', async () => {
    const contexts: DecisionContext[] = [];
    const made = await pair(new SimulatedEngine(200), {
      decide: (context) => {
        contexts.push(context);
        return contexts.length < 3 ? 'wait' : 'promote';
      },
    });
    expect(contexts).toEqual([]);
    const { epoch, token } = made.primary;
    await made.primary.close();
    await promotedOf(made);
    expect(contexts).toHaveLength(3);
    expect(contexts[0]).toMatchObject({ name: 'g', token, epoch, record: { generation: 1n } });
    expect(contexts[0]?.ageMs).toBeGreaterThan(0);
    expect(contexts[2]?.reasons.map(({ path }) => path)).toContain('lease');
    expect(made.events.map(({ type }) => type)).not.toContain('undecided');
  });

  it('tells that somebody has to, again and again, and takes over only then', async () => {
    let answer: 'notify' | 'promote' = 'notify';
    const made = await pair(new SimulatedEngine(200), { decide: () => answer });
    await made.primary.close();
    const told = () => made.events.filter(({ type }) => type === 'undecided').length;
    await until(() => told() > 2);
    expect(made.events.map(({ type }) => type)).not.toContain('claiming');
    answer = 'promote';
    await promotedOf(made);
  });

  it.each<[string, () => never]>([
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
    ['gives nothing that is known', () => 'perhaps' as never],
  ])('does nothing where that %s', async (_, decide) => {
    const made = await pair(new SimulatedEngine(200), { decide });
    await made.primary.close();
    await until(() => made.events.filter(({ type }) => type === 'undecided').length > 2);
    expect(made.events.map(({ type }) => type)).not.toContain('claiming');
  });

  it('goes on with what was restored, and copies of others do not count any more', async () => {
    const engine = new SimulatedEngine(200);
    const older = new Uint8Array(8192).fill(3);
    const made = await pair(engine, { decide: () => ({ restored: bufferGuest(older) }) });
    await made.primary.close();
    const next = await promotedOf(made);
    expect(next.inSync).toEqual([engine.recordOf('g')?.owner]);
    expect(next.token).toBe(2n);
    const region = next.guest.regions[0];
    const page = new Uint8Array(4096);
    region?.read(0, page);
    expect(page).toEqual(new Uint8Array(4096).fill(3));
    expect(made.copy[0]).toBe(7);
  });
});

describe('standbys of one process', () => {
  it('with a queue in common are promoted one at a time', async () => {
    const queue = new PromotionQueue();
    const engine = new SimulatedEngine(200);
    let deciding = 0;
    const most: number[] = [];
    const pairs = await Promise.all(
      [1, 9, 5].map((priority) =>
        pair(engine, {
          ...{ name: `g${priority}`, queue, priority },
          decide: async () => {
            deciding += 1;
            most.push(deciding);
            await sleep(20);
            deciding -= 1;
            return 'promote' as const;
          },
        }),
      ),
    );
    await Promise.all(pairs.map(({ primary }) => primary.close()));
    await Promise.all(pairs.map(promotedOf));
    expect(most).toEqual([1, 1, 1]);
  });
});

describe('the owner of a guest', () => {
  it('is suspected path by path, and trusted again', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const path = `127.0.0.1:${port}`;
    const { standby, events } = await pair(new SimulatedEngine(200), {
      heartbeats: [{ host: '127.0.0.1', port }],
    });
    await until(() => standby.suspicions.length === 0);
    server.close();
    await until(() => standby.suspicions.length === 1);
    // Refused, or reset in the middle.
    expect(standby.suspicions[0]).toMatchObject({ path, message: expect.stringMatching(/\w/) });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await until(() => standby.suspicions.length === 0);
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['suspected', 'trusted']),
    );
    expect(events.map(({ type }) => type)).not.toContain('claiming');
  });

  it('is suspected where its connection is lost, or its lease, and only the lease decides', async () => {
    const made = await pair(new SimulatedEngine(200), { decide: () => 'wait' });
    await made.primary.close();
    await until(() => made.standby.suspicions.length === 2);
    expect(made.standby.suspicions.map(({ path }) => path).sort()).toEqual(['connection', 'lease']);
  });
});
