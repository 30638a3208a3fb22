import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { PrimaryEvent } from '../../src/replication/events.js';
import { HealthWatch, resolveHealth } from '../../src/replication/health.js';
import type { Primary } from '../../src/replication/primary-driver.js';
import type { HealthProbe } from '../../src/replication/probes.js';
import { newMember, protect } from '../../src/replication/protect.js';
import type { MemberOptions } from '../../src/replication/protect-options.js';
import { standby } from '../../src/replication/standby-driver.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** What each change of the guest's health was. */
function watch(...probes: HealthProbe[]): { readonly changes: (readonly string[])[] } {
  const changes: (readonly string[])[] = [];
  const options = resolveHealth({ probes, everyMs: 10, timeoutMs: 200, failures: 2 });
  const watching = new HealthWatch(options, (reasons) => changes.push(reasons));
  onTestFinished(async () => {
    watching.stop();
    await watching.done;
  });
  return { changes };
}

async function until(is: () => boolean): Promise<void> {
  for (const from = performance.now(); !is(); await sleep(1)) {
    if (performance.now() - from > 5000) throw new Error('it never was');
  }
}

describe('a probe', () => {
  it('of TCP passes while a port is open', async () => {
    const server = createServer((socket) => socket.destroy());
    const port = await listening(server);
    const { changes } = watch({ type: 'tcp', port });
    await until(() => changes.length === 1);
    expect(changes[0]).toEqual([]);
    server.close();
    await until(() => changes.length === 2);
    expect(changes[1]?.[0]).toMatch(/^tcp: .*ECONNREFUSED/);
  });

  it('of HTTP passes for what is no error', async () => {
    let status = 302;
    const server = createHttpServer((_, response) => response.writeHead(status).end('x'));
    const port = await listening(server);
    const { changes } = watch({ type: 'http', url: `http://127.0.0.1:${port}/live` });
    await until(() => changes.length === 1);
    status = 503;
    await until(() => changes.length === 2);
    status = 200;
    await until(() => changes.length === 3);
    expect(changes).toEqual([[], ['http: status 503'], []]);
  });

  it('of HTTP fails where nothing is answered', async () => {
    const port = await listening(createServer(() => {}));
    const { changes } = watch({ type: 'http', url: `http://127.0.0.1:${port}/` });
    await until(() => changes.length === 1);
    expect(changes[0]).toEqual(['http: no answer within 200 ms']);
  });

  it('of a command passes while that ends with 0', async () => {
    const { changes } = watch({ type: 'command', command: 'exit 3' });
    await until(() => changes.length === 1);
    expect(changes[0]?.[0]).toMatch(/^command: "exit 3" .*3/);
    expect(watch({ type: 'command', command: 'grep -q health' }).changes).toEqual([]);
  });

  it('of a function fails where that throws, says false, or says nothing', async () => {
    const checks = [
      () => {
        throw new Error('no rows');
      },
      () => false,
      () => new Promise(() => {}),
    ];
    const all = checks.map((check) => watch({ type: 'function', check }));
    await until(() => all.every(({ changes }) => changes.length === 1));
    expect(all.map(({ changes }) => changes[0]?.[0])).toEqual([
      'function: no rows',
      'function: it says so itself',
      'function: no answer within 200 ms',
    ]);
  });

  it('of the loop fails while something keeps it from turning', async () => {
    const { changes } = watch({ type: 'loop-delay', maxMs: 60 });
    await until(() => changes.length === 1 && changes[0]?.length === 0);
    for (let times = 0; changes.length === 1 && times < 50; times += 1) {
      for (const from = performance.now(); performance.now() - from < 100; );
      await sleep(1);
    }
    expect(changes[1]?.[0]).toMatch(/^loop-delay: the loop stood still for \d+ ms$/);
  });

  it('fails alone, and is named, beside one that passes', async () => {
    const passing: HealthProbe = { type: 'function', check: () => true };
    const { changes } = watch(passing, { type: 'function', check: () => false });
    await until(() => changes.length === 1);
    expect(changes[0]).toEqual(['function: it says so itself']);
  });

  it.each<[string, object]>([
    ['a port', { probes: [{ type: 'tcp', port: 0 }] }],
    ['a URL', { probes: [{ type: 'http', url: 'ftp://example.org' }] }],
    ['a type', { probes: [{ type: 'luck' }] }],
    ['a limit', { probes: [{ type: 'loop-delay', maxMs: 0 }] }],
    ['a time', { probes: [], everyMs: 1 }],
    ['a count', { probes: [], failures: 0 }],
  ])('is refused where %s is wrong', (_, options) => {
    expect(() => resolveHealth(options as never)).toThrow(/port|probe|maxMs|everyMs|failures/);
  });
});

async function start(
  engine: SimulatedEngine,
  peers: MemberOptions['peers'],
  options: Partial<MemberOptions>,
): Promise<{ readonly primary: Primary; readonly events: PrimaryEvent[] }> {
  const primary = await protect(bufferGuest(new Uint8Array(8192)), {
    ...{ name: 'g', member: newMember('a'), lease: engine.provider() },
    ...(peers === undefined ? {} : { peers }),
    ...options,
  });
  onTestFinished(() => primary.close());
  const events: PrimaryEvent[] = [];
  void (async () => {
    for await (const event of primary) if (event.type !== 'unreached') events.push(event);
  })();
  return { primary, events };
}

describe('a primary whose guest is ill', () => {
  it('stays while nobody else could have it, and hands it over once somebody can', async () => {
    const engine = new SimulatedEngine();
    const follower = await standby({
      ...{ name: 'g', member: newMember('b'), lease: engine.provider() },
      accept: () => bufferGuest(new Uint8Array(8192)),
    });
    onTestFinished(() => follower.close());
    let works = true;
    const health = {
      ...{ everyMs: 10, timeoutMs: 100, failures: 2 },
      probes: [{ type: 'function', check: () => works } as const],
    };
    const peers: { host: string; port: number }[] = [];
    const alone = await start(new SimulatedEngine(), peers, { health });
    const followed = await start(engine, [{ host: follower.host, port: follower.port }], {
      health,
    });
    await until(() => followed.primary.inSync.length === 2);
    works = false;
    const next = await follower.promoted;
    onTestFinished(() => next.close());
    expect(followed.events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['healthy', 'unhealthy', 'resigned']),
    );
    expect(followed.primary.mayAct).toBe(false);
    await until(() => alone.events.some(({ type }) => type === 'unhealthy'));
    expect(alone.primary.mayAct).toBe(true);
    expect(alone.events.map(({ type }) => type)).not.toContain('resigned');
    works = true;
    await until(() => alone.events.at(-1)?.type === 'healthy');
  });

  it('is announced once its probes pass, and only then', async () => {
    let works = false;
    const told: bigint[] = [];
    const { events } = await start(new SimulatedEngine(), undefined, {
      health: {
        ...{ everyMs: 10, failures: 1 },
        probes: [{ type: 'function', check: () => works }],
      },
      announce: ({ token }) => told.push(token),
    });
    await until(() => events.some(({ type }) => type === 'unhealthy'));
    expect(told).toEqual([]);
    works = true;
    await until(() => events.some(({ type }) => type === 'announced'));
    works = false;
    await until(() => events.filter(({ type }) => type === 'unhealthy').length === 2);
    works = true;
    await until(() => events.filter(({ type }) => type === 'healthy').length === 2);
    expect(told).toEqual([1n]);
  });

  it('runs on where announcing it fails, and says so', async () => {
    const { primary, events } = await start(new SimulatedEngine(), undefined, {
      announce: () => {
        throw new Error('no such address');
      },
    });
    await until(() => events.some(({ type }) => type === 'unannounced'));
    expect(events).toContainEqual({ type: 'unannounced', message: 'no such address' });
    expect(primary.mayAct).toBe(true);
  });
});
