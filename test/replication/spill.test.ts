import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { StandbyOptions } from '../../src/replication/standby-options.js';
import { type Reach, SimulatedEngine } from '../lease/simulated-engine.js';
import { type Counter, pageBytes, startPrimary, startStandby, until } from './counter.js';
import { empty, filled, handOver, pages } from './pair.js';
import { Relay } from './relay.js';

const MiB = 2 ** 20;
const engineTtlMs = 400;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'pageferry-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** Files of `folder` that this process has open, with a name or without. */
function openIn(folder: string): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return links.filter((link) => link.startsWith(folder)).length;
}

/** A guest of 8 MiB, and a standby in sync that keeps 1 MiB of an epoch in memory. */
async function follow(options: Partial<StandbyOptions>) {
  const engine = new SimulatedEngine(engineTtlMs);
  const counters: Counter[] = [];
  const { standby } = await startStandby({
    ...{ lease: engine.provider(), maxEpochBytes: MiB, scrubMs: 0, ...options },
    accept: empty(counters),
  });
  const relay = await Relay.to(standby.port);
  const counter = filled();
  const reach: { now: Reach } = { now: 'answers' };
  const primary = await startPrimary(counter, [], {
    ...{ lease: engine.provider(reach), patienceMs: 5000 },
    // More than the standby's memory holds is announced where there is a file for it.
    maxEpochBytes: options.spillFolder === undefined ? MiB : 2 * MiB,
    peers: [{ host: '127.0.0.1', port: relay.port }],
  });
  const events: string[] = [];
  void (async () => {
    for await (const { type } of primary) if (type !== 'epoch') events.push(type);
  })();
  const causes: string[] = [];
  void (async () => {
    for await (const event of standby) if ('code' in event) causes.push(event.code);
  })();
  await until(() => primary.inSync.length === 2);
  const rewrite = (seed: number): void => {
    const words = new Uint32Array(counter.memory.buffer);
    for (let word = 4; word < words.length; word += 1) words[word] = Math.imul(word + seed, 97);
    counter.guest.markDirty(0, pages * pageBytes);
  };
  const there = counters[0] as Counter;
  return { standby, relay, counter, counters, there, reach, primary, events, causes, rewrite };
}

describe('an epoch that is larger than memory has room for', () => {
  it('waits in a file, and is in sync all the time', async () => {
    const spillFolder = folder();
    const { standby, counter, there, primary, events, rewrite } = await follow({ spillFolder });
    events.length = 0;
    for (const seed of [1, 2]) {
      rewrite(seed);
      await until(() => counter.step());
      await primary.commit();
      expect(standby.copy?.epoch).toBe(primary.epoch);
      expect(Buffer.compare(there.memory, counter.memory)).toBe(0);
    }
    expect(events).toEqual([]);
    expect(openIn(spillFolder)).toBe(0);
    expect(readdirSync(spillFolder)).toEqual([]);
    await handOver(primary, standby);
    expect(there.count).toBe(counter.count);
  });

  it('is not gone on with where its primary dies in the midst of it: the one before is', async () => {
    const spillFolder = folder();
    const { standby, relay, there, reach, primary, rewrite } = await follow({ spillFolder });
    const before = Buffer.from(there.memory);
    relay.said = 0;
    relay.most = 5 * MiB;
    rewrite(1);
    await until(() => relay.said > relay.most && openIn(spillFolder) === 1);
    await until(() => readdirSync(spillFolder).length === 0);
    reach.now = 'silent';
    relay.cut();
    expect(standby.copy).toBeDefined();
    const next = await standby.promoted;
    onTestFinished(() => next.close());
    expect(Buffer.compare(there.memory, before)).toBe(0);
    expect(openIn(spillFolder)).toBe(0);
    expect(primary.mayAct).toBe(false);
  });

  it.each<[string, (at: string) => Partial<StandbyOptions>]>([
    [
      'where the file would be larger than it may be',
      (at) => ({ spillFolder: at, maxSpillBytes: MiB }),
    ],
    ['where there is no such folder', (at) => ({ spillFolder: join(at, 'none') })],
    ['where there is no file for it', () => ({})],
  ])('%s ends the session, and what differs is sent anew', async (_, optionsFor) => {
    const spillFolder = folder();
    const made = await follow(optionsFor(spillFolder));
    const { standby, counter, counters, there, primary, events, causes, rewrite } = made;
    const before = Buffer.from(there.memory);
    rewrite(1);
    await until(() => causes.length > 0);
    expect(['ERR_NO_CAPACITY', 'ERR_IO']).toContain(causes[0]);
    expect(Buffer.compare(there.memory, before)).toBe(0);
    await until(() => events.includes('dropped') && primary.inSync.length === 2, 20_000);
    expect(events).toContain('compared');
    await handOver(primary, standby);
    expect(counters).toHaveLength(1);
    expect(Buffer.compare(there.memory, counter.memory)).toBe(0);
    expect(openIn(spillFolder)).toBe(0);
  });
});
