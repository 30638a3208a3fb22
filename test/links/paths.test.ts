import { afterEach, describe, expect, it } from 'vitest';
import {
  bufferGuest,
  listen,
  type MigrateOptions,
  type MigrationEvent,
  type MigrationReport,
  migrate,
} from '../../src/index.js';
import type { OpenTap } from '../../src/migration/link.js';
import { Random } from '../reference/random.js';
import type { LinkShape } from './link-shape.js';
import { Relay } from './relay.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const mbit = (rate: number): number => (rate * 1e6) / 8;
const MiB = 1024 * 1024;

interface Passage {
  readonly report: MigrationReport;
  readonly events: readonly MigrationEvent[];
  /** Bytes that left the source on each connection, the control channel first. */
  readonly sent: readonly number[];
}

/** Moves 24 MiB over two paths to one destination, each with an address of its own; `act` sees each event. */
async function cross(
  shapes: readonly [LinkShape, LinkShape],
  options: MigrateOptions = {},
  act: (event: MigrationEvent, relays: readonly Relay[]) => void = () => {},
): Promise<Passage> {
  const memory = new Random(4).bytes(24 * MiB);
  const arrived = new Uint8Array(memory.byteLength);
  const listener = await listen({
    maxImageBytes: memory.byteLength,
    accept: () => bufferGuest(arrived, { fresh: true }),
  });
  cleanups.push(() => listener.close());
  const relays: Relay[] = [];
  for (const [at, shape] of shapes.entries()) {
    const host = `127.0.0.${at + 1}`;
    const relay = await Relay.open({ host, target: listener.port, there: shape, back: shape });
    cleanups.push(() => relay.close());
    relays.push(relay);
  }
  const [first, second] = relays.map(({ port }, at) => ({ host: `127.0.0.${at + 1}`, port }));
  if (first === undefined || second === undefined) throw new Error('two paths');
  const sent: number[] = [];
  const tap: OpenTap = (connection) => (direction, frame) => {
    if (direction === 'out') sent[connection - 1] = (sent[connection - 1] ?? 0) + frame.byteLength;
  };
  const migration = migrate(bufferGuest(memory), {
    ...first,
    addresses: [second],
    connections: 2,
    watch: { tap },
    ...options,
  });
  const events: MigrationEvent[] = [];
  for await (const event of migration) {
    events.push(event);
    act(event, relays);
  }
  const report = await migration.done;
  expect(Buffer.compare(arrived, memory)).toBe(0);
  return { report, events, sent };
}

describe('two paths to one destination', () => {
  const fast: LinkShape = { bytesPerSecond: mbit(400), delayMs: 1 };
  const slow: LinkShape = { bytesPerSecond: mbit(10), delayMs: 1 };

  it('of which one dies in the middle: the other carries the rest, and nothing is interrupted', async () => {
    let killed = 0;
    const { report, events, sent } = await cross([fast, fast], {}, (event, relays) => {
      if (event.type !== 'progress' || event.sentBytes < 6 * MiB || killed > 0) return;
      killed = event.sentBytes;
      relays[1]?.close();
    });
    expect(killed).toBeGreaterThan(0);
    expect(report).toMatchObject({ interruptions: 0, repaired: 0 });
    expect(events.map(({ type }) => type)).not.toContain('interrupted');
    expect(sent[1]).toBeGreaterThan(MiB);
    expect(sent[0]).toBeGreaterThan(12 * MiB);
  });

  it.each([
    ['second', fast, slow],
    ['first', slow, fast],
  ] as const)(
    'of which the %s is slow: most leaves by the other',
    async (_which, first, second) => {
      const { sent } = await cross([first, second]);
      const byFast = sent[first === fast ? 0 : 1] ?? 0;
      expect(byFast / ((sent[0] ?? 0) + (sent[1] ?? 0))).toBeGreaterThan(0.75);
      expect(Math.min(...sent)).toBeGreaterThan(0);
    },
    30_000,
  );
});
