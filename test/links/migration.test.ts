import { afterEach, describe, expect, it } from 'vitest';
import {
  type BufferGuest,
  bufferGuest,
  listen,
  type MigrateOptions,
  migrate,
} from '../../src/index.js';
import { Random } from '../reference/random.js';
import type { LinkShape } from './link-shape.js';
import { Relay } from './relay.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const mbit = (rate: number): number => (rate * 1e6) / 8;
const pageBytes = 4096;

/** A guest that goes on changing eight bytes in each of its pages, on the source's own thread, and a destination behind a link. */
class Run {
  readonly memory: Uint8Array;
  readonly arrived: Uint8Array;
  readonly relay: Relay;
  readonly #port: number;
  readonly #guest: BufferGuest;
  #timer: NodeJS.Timeout | undefined;
  #writes = 0;

  private constructor(memory: Uint8Array, arrived: Uint8Array, relay: Relay) {
    this.memory = memory;
    this.arrived = arrived;
    this.relay = relay;
    this.#port = relay.port;
    this.#guest = bufferGuest(memory, {
      tracker: 'marks',
      pause: () => clearInterval(this.#timer),
      resume: () => {
        this.#timer = setInterval(() => this.#write(), 5);
      },
    });
  }

  static async open(pages: number, there: LinkShape, back: LinkShape = there): Promise<Run> {
    const memory = new Random(9).bytes(pages * pageBytes);
    const arrived = new Uint8Array(memory.byteLength);
    const listener = await listen({
      maxImageBytes: memory.byteLength,
      accept: () => bufferGuest(arrived, { fresh: true }),
    });
    cleanups.push(() => listener.close());
    const relay = await Relay.open({ target: listener.port, there, back });
    cleanups.push(() => relay.close());
    const run = new Run(memory, arrived, relay);
    cleanups.push(() => clearInterval(run.#timer));
    await run.#guest.resume();
    return run;
  }

  migrate(options: MigrateOptions): ReturnType<typeof migrate> {
    return migrate(this.#guest, { host: '127.0.0.1', port: this.#port, ...options });
  }

  /** Whether the guest still writes here. */
  async isRunning(): Promise<boolean> {
    const before = this.#writes;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return this.#writes > before;
  }

  #write(): void {
    this.#writes += 1;
    for (let at = 0; at < this.memory.length; at += pageBytes) {
      this.memory.fill(this.#writes, at + 8, at + 16);
      this.#guest.markDirty(at + 8, 8);
    }
  }
}

describe('over 100 Mbit/s, 20 ms there and back', () => {
  const link: LinkShape = { bytesPerSecond: mbit(100), delayMs: 10 };
  // 4 MiB, all of it changed again and again: 340 ms of this link if pages went whole.
  const pages = 1024;
  const maxDowntimeMs = 250;

  it('pages as deltas converge', async () => {
    const run = await Run.open(pages, link);
    const report = await run.migrate({ maxDowntimeMs }).done;
    expect(report.pagesByKind.delta).toBeGreaterThan(0);
    expect(Buffer.compare(run.arrived, run.memory)).toBe(0);
    expect(await run.isRunning()).toBe(false);
  });

  it('pages sent whole do not, and the guest runs on here', async () => {
    const run = await Run.open(pages, link);
    const migration = run.migrate({ maxDowntimeMs, shadowBytes: 0, baseCacheBytes: 0 });
    await expect(migration.done).rejects.toMatchObject({ code: 'ERR_NOT_CONVERGING' });
    expect(await run.isRunning()).toBe(true);
  });
});

it('a link that is slow one way and slower the other carries a migration', async () => {
  const there: LinkShape = { bytesPerSecond: mbit(100), delayMs: 2, jitterMs: 3 };
  const back: LinkShape = { bytesPerSecond: mbit(1), delayMs: 15, queueBytes: 20_000 };
  const run = await Run.open(256, there, back);
  await run.migrate({ maxDowntimeMs: 500 }).done;
  expect(Buffer.compare(run.arrived, run.memory)).toBe(0);
});

describe('a link that stalls', () => {
  const link: LinkShape = { bytesPerSecond: mbit(200), delayMs: 1 };

  it('in the middle of pages costs time only', async () => {
    const run = await Run.open(512, link);
    const migration = run.migrate({ maxDowntimeMs: 500 });
    for await (const event of migration) {
      if (event.type !== 'progress') continue;
      run.relay.stall();
      setTimeout(() => run.relay.resume(), 1000);
      break;
    }
    await migration.done;
    expect(Buffer.compare(run.arrived, run.memory)).toBe(0);
  });

  it('while the guest stands still gives the pause back, and the next one gets through', async () => {
    const run = await Run.open(64, link);
    let stalls = 0;
    const migration = run.migrate({ maxDowntimeMs: 300 });
    for await (const event of migration) {
      if (event.type === 'switchover' && stalls === 0) {
        stalls += 1;
        run.relay.stall();
      }
      if (event.type === 'retreated') {
        expect(await run.isRunning()).toBe(true);
        run.relay.resume();
      }
    }
    const report = await migration.done;
    expect(report.retreats).toBeGreaterThan(0);
    expect(Buffer.compare(run.arrived, run.memory)).toBe(0);
  });

  it('for good is ERR_PEER_TIMEOUT once it was tried to go on, and the guest runs on here', async () => {
    const run = await Run.open(512, link);
    const migration = run.migrate({ maxOutageMs: 500 });
    for await (const event of migration) {
      if (event.type === 'progress') run.relay.stall();
    }
    await expect(migration.done).rejects.toMatchObject({ code: 'ERR_PEER_TIMEOUT' });
    expect(await run.isRunning()).toBe(true);
  });
});
