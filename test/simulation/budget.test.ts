import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/migration/byte-budget.js';
import { resolveOptions } from '../../src/migration/options.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import { messageType } from '../../src/protocol/messages.js';
import { memoryPair } from '../../src/transport/memory-pair.js';
import { bytesOf, SimGuest, sameBytes } from './sim-guest.js';
import { VirtualClock } from './virtual-clock.js';

const pageBytes = 4096;
const bytesPerSecond = 1_000_000;

interface Frame {
  readonly migration: number;
  readonly at: number;
  readonly bytes: number;
  readonly live: boolean;
}

/** Pages that no page kind makes smaller. */
function noise(pages: number, seed: number): Uint32Array<ArrayBuffer> {
  let x = seed;
  return Uint32Array.from({ length: pages * (pageBytes / 4) }, () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return x;
  });
}

/** Migrations of so many pages each, side by side on one budget and one virtual clock; each gets a new page every `writeEveryMs`. */
async function migrateTogether(
  pages: readonly number[],
  writeEveryMs: number,
): Promise<readonly Frame[]> {
  const clock = new VirtualClock();
  const budget = new ByteBudget(bytesPerSecond, clock);
  const frames: Frame[] = [];
  const done = pages.map((count, migration) => {
    let runs = true;
    const { buffer, byteLength } = noise(count, migration + 1);
    const memory = { buffer, byteLength };
    const source = new SimGuest(memory, 'marks', {
      running: (running) => {
        runs = running;
      },
      state: new Uint8Array(8),
    });
    const arrived = { buffer: new ArrayBuffer(count * pageBytes), byteLength: count * pageBytes };
    const write = (): void => {
      if (!runs) return;
      const now = Math.floor(clock.now());
      const page = (now * 37) % count;
      source.bytes().set(new Uint8Array(noise(1, now).buffer), page * pageBytes);
      source.write(page * pageBytes, now & 0xff);
      clock.after(writeEveryMs, write);
    };
    clock.after(writeEveryMs, write);
    const sessions = new Sessions({
      accept: () =>
        new SimGuest(arrived, 'marks', { running: () => {}, state: new Uint8Array() }).guest,
      limits: { maxImageBytes: 1 << 30, maxStateBytes: 1 << 20 },
      clock,
      maxSessions: 4,
      emit: () => {},
      onArrival: () => {},
      onFailure: () => {},
    });
    const driver = new SourceDriver({
      guest: source.guest,
      connect: async () => {
        const pair = memoryPair({ schedule: (task) => void clock.after(0.1, task) });
        const send = pair.a.send.bind(pair.a);
        pair.a.send = (frame, released) => {
          if (frame[3] === messageType.PAGES) {
            const live = driver.phase === 'pre-copy';
            frames.push({ migration, at: clock.now(), bytes: frame.byteLength, live });
          }
          return send(frame, released);
        };
        sessions.greet(pair.b);
        return pair.a;
      },
      clock,
      options: resolveOptions({ maxDowntimeMs: 100, settle: 'first', budget }),
      emit: () => {},
    });
    driver.start();
    return driver.done.then(() => expect(sameBytes(bytesOf(memory), bytesOf(arrived))).toBe(true));
  });
  let left = done.length;
  for (const each of done) void each.finally(() => (left -= 1));
  await clock.run(
    60_000,
    () => left === 0,
    () => {},
  );
  await Promise.all(done);
  return frames;
}

function bytesIn(frames: readonly Frame[], fromMs: number, toMs: number): number {
  return frames
    .filter(({ at }) => at >= fromMs && at < toMs)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

describe('migrations that share a byte budget', () => {
  it('take equal parts of it, leave theirs when they end, and together never send more', async () => {
    // 1.2, 2.4 and 2.4 MB.
    const frames = await migrateTogether([300, 600, 600], 200);
    const live = frames.filter((frame) => frame.live);
    const frameBytes = Math.max(...live.map(({ bytes }) => bytes));
    expect(frameBytes).toBeLessThan(70_000);
    for (const { at } of live) {
      expect(bytesIn(live, at, at + 1000)).toBeLessThanOrEqual(1.01 * bytesPerSecond + frameBytes);
    }
    const partOf = (migration: number, fromMs: number, toMs: number): number =>
      bytesIn(
        live.filter((frame) => frame.migration === migration),
        fromMs,
        toMs,
      );
    for (const migration of [0, 1, 2]) {
      expect(Math.abs(partOf(migration, 0, 3000) - bytesPerSecond)).toBeLessThan(2 * frameBytes);
    }
    // The first is through after 3.7 s; what was its part goes to the others.
    expect(partOf(0, 4500, 60_000)).toBe(0);
    for (const migration of [1, 2]) {
      const part = partOf(migration, 4500, 5500);
      expect(Math.abs(part - bytesPerSecond / 2)).toBeLessThan(2 * frameBytes);
    }
  });

  it('are not bound by it in the last round', async () => {
    const frames = await migrateTogether([400], 1);
    const last = frames.filter(({ live }) => !live);
    const bytes = bytesIn(last, 0, 60_000);
    const tookMs = Math.max(...last.map(({ at }) => at)) - Math.min(...last.map(({ at }) => at));
    expect(last.length).toBeGreaterThan(1);
    expect(bytes).toBeGreaterThan(10 * tookMs * (bytesPerSecond / 1000));
  });
});
