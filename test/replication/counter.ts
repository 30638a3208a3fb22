import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { type BufferGuest, bufferGuest } from '../../src/guests/buffer.js';
import type { Primary } from '../../src/replication/primary-driver.js';
import { newMember, type ProtectOptions, protect } from '../../src/replication/protect.js';
import { type Standby, standby } from '../../src/replication/standby-driver.js';
import type { StandbyOptions } from '../../src/replication/standby-options.js';

export const pageBytes = 4096;

/** Counts in its memory and in its state, which must agree at all times; what it says was its count is its output. */
export class Counter {
  readonly memory: Uint8Array;
  readonly guest: BufferGuest;
  count = 0;
  runs = false;

  constructor(pages = 64, tracker: 'marks' | 'hash' | 'compare' = 'marks') {
    this.memory = new Uint8Array(pages * pageBytes);
    const guest = bufferGuest(this.memory, {
      tracker,
      version: 'counter',
      pause: () => {
        this.runs = false;
      },
      resume: () => {
        this.runs = true;
      },
      saveState: () => Buffer.from(`${this.count}`),
      loadState: (state) => {
        this.count = Number(Buffer.from(state).toString());
      },
    });
    this.guest = guest;
    this.#mark = (at) => guest.markDirty(at, 8);
  }

  readonly #mark: (at: number) => void;

  /** One more, if it runs. */
  step(): boolean {
    if (!this.runs) return false;
    this.count += 1;
    const page = (this.count * 7) % (this.memory.length / pageBytes);
    for (const at of [0, page * pageBytes + 16]) {
      new DataView(this.memory.buffer).setBigUint64(at, BigInt(this.count));
      this.#mark(at);
    }
    return true;
  }

  get inMemory(): number {
    return Number(new DataView(this.memory.buffer).getBigUint64(0));
  }
}

export async function startStandby(
  options: Pick<StandbyOptions, 'lease'> & Partial<StandbyOptions>,
): Promise<{ readonly standby: Standby; readonly counters: Counter[] }> {
  const counters: Counter[] = [];
  const made = await standby({
    name: 'counter',
    member: newMember('b'),
    accept: () => {
      const counter = new Counter();
      counters.push(counter);
      return counter.guest;
    },
    ...options,
  });
  onTestFinished(() => made.close());
  return { standby: made, counters };
}

export async function startPrimary(
  counter: Counter,
  standbys: readonly Standby[],
  options: Pick<ProtectOptions, 'lease'> & Partial<ProtectOptions>,
): Promise<Primary> {
  const primary = await protect(counter.guest, {
    name: 'counter',
    member: newMember('a'),
    peers: standbys.map(({ host, port }) => ({ host, port })),
    intervalMs: 5,
    patienceMs: 300,
    ...options,
  });
  onTestFinished(() => primary.close());
  return primary;
}

export async function until(is: () => boolean, ms = 5000): Promise<void> {
  for (const from = performance.now(); !is(); await sleep(1)) {
    if (performance.now() - from > ms) throw new Error('it never was');
  }
}

/** Works as a process that dies would: nothing of it is heard or done from now on. */
export function work(
  counter: Counter,
  primary: Primary,
  told: number[],
): { readonly stop: () => Promise<void> } {
  let isDead = false;
  const working = (async () => {
    while (!isDead && !primary.isFenced) {
      if (counter.step()) {
        const { count } = counter;
        void primary.commit().then(
          () => {
            if (!isDead) told.push(count);
          },
          () => {},
        );
      }
      await sleep(1);
    }
  })();
  return {
    stop: () => {
      isDead = true;
      return working;
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
