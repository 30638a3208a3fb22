import { onTestFinished } from 'vitest';
import type { Guest } from '../../src/guests/guest.js';
import type { PrimaryEvent } from '../../src/replication/events.js';
import type { Primary } from '../../src/replication/primary-driver.js';
import type { Standby } from '../../src/replication/standby-driver.js';
import type { StandbyOptions } from '../../src/replication/standby-options.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';
import { Counter, startPrimary, startStandby, until } from './counter.js';
import { Relay } from './relay.js';

export const pages = 2048;

/** A counter whose pages all differ. */
export function filled(tracker: 'marks' | 'hash' | 'compare' = 'marks'): Counter {
  const counter = new Counter(pages, tracker);
  const words = new Uint32Array(counter.memory.buffer);
  for (let word = 4; word < words.length; word += 1) words[word] = Math.imul(word, 2654435761);
  return counter;
}

export function empty(counters: Counter[]): () => Guest {
  return () => {
    const counter = new Counter(pages);
    counters.push(counter);
    return counter.guest;
  };
}

/** What `primary` compared with each standby that came back. */
export function comparisonsOf(primary: Primary): Extract<PrimaryEvent, { type: 'compared' }>[] {
  const found: Extract<PrimaryEvent, { type: 'compared' }>[] = [];
  void (async () => {
    for await (const event of primary) if (event.type === 'compared') found.push(event);
  })();
  return found;
}

export interface Pair {
  readonly engine: SimulatedEngine;
  readonly counters: readonly Counter[];
  readonly standby: Standby;
  readonly relay: Relay;
  readonly counter: Counter;
  readonly primary: Primary;
  readonly compared: readonly Extract<PrimaryEvent, { type: 'compared' }>[];
}

/** A primary and a standby in sync, with a relay between them. */
export async function pair(
  tracker: 'marks' | 'hash' | 'compare' = 'marks',
  options: Partial<StandbyOptions> = {},
): Promise<Pair> {
  const engine = new SimulatedEngine();
  const counters: Counter[] = [];
  const made = await startStandby({
    lease: engine.provider(),
    accept: empty(counters),
    ...options,
  });
  const relay = await Relay.to(made.standby.port);
  const counter = filled(tracker);
  const primary = await startPrimary(counter, [], {
    lease: engine.provider(),
    peers: [{ host: '127.0.0.1', port: relay.port }],
  });
  const compared = comparisonsOf(primary);
  await until(() => primary.inSync.length === 2);
  return { engine, counters, standby: made.standby, relay, counter, primary, compared };
}

/** The guest goes on at its standby, with the memory it had. */
export async function handOver(primary: Primary, standby: Standby): Promise<Primary> {
  await primary.close();
  const next = await standby.promoted;
  onTestFinished(() => next.close());
  return next;
}
