import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget, sharedBudget } from '../../src/migration/byte-budget.js';
import type { Clock } from '../../src/migration/clock.js';
import { resolveOptions } from '../../src/migration/options.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

interface Sent {
  readonly sender: number;
  readonly at: number;
  readonly bytes: number;
}

/** Senders on one budget in virtual time, and what left when. */
class Senders {
  readonly clock = new VirtualClock();
  readonly sent: Sent[] = [];
  readonly budget: ByteBudget;

  /** Timers ring `lateMs` after they should. */
  constructor(bytesPerSecond: number, lateMs = 0) {
    const late: Clock = {
      now: () => this.clock.now(),
      turn: () => this.clock.turn(),
      after: (ms, callback) => this.clock.after(ms + lateMs, callback),
    };
    this.budget = new ByteBudget(bytesPerSecond, late);
  }

  /** Sends frames of these sizes, one after the other as fast as it may, from `fromMs` on. */
  async send(sender: number, sizes: readonly number[], fromMs = 0, untilMs = 1e9): Promise<void> {
    const share = this.budget.share();
    await new Promise<void>((resolve) => this.clock.after(fromMs, resolve));
    for (const bytes of sizes) {
      if (!(await share.take(bytes, () => this.clock.now() < untilMs))) return;
      this.sent.push({ sender, at: this.clock.now(), bytes });
    }
  }

  async run(untilMs = 1e9): Promise<void> {
    await this.clock.run(
      untilMs,
      () => false,
      () => {},
    );
  }

  bytesBy(sender: number, fromMs: number, toMs: number): number {
    return this.sent
      .filter((each) => each.sender === sender && each.at >= fromMs && each.at < toMs)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Most bytes that left in any second. */
  get busiestSecond(): number {
    const sums = this.sent.map(({ at: from }) =>
      this.sent
        .filter(({ at }) => at >= from && at < from + 1000)
        .reduce((sum, { bytes }) => sum + bytes, 0),
    );
    return Math.max(0, ...sums);
  }
}

const frames = (count: number, bytes: number): number[] => Array<number>(count).fill(bytes);

describe('a byte budget', () => {
  it('lets no second have more than it, 1 % and one frame, and everything through', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50_000 }), { maxLength: 40 });
    const sender = fc.record({ sizes, startMs: fc.integer({ min: 0, max: 3000 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(sender, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 5 }),
        async (all, lateMs) => {
          const senders = new Senders(100_000, lateMs);
          const done = all.map((each, at) => senders.send(at, each.sizes, each.startMs));
          await senders.run();
          await Promise.all(done);
          const bytes = all.flatMap((each) => each.sizes);
          expect(senders.sent).toHaveLength(bytes.length);
          expect(senders.busiestSecond).toBeLessThanOrEqual(101_000 + Math.max(0, ...bytes));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is shared in equal parts whatever the sizes of the frames, and who ends leaves its part to the others', async () => {
    const senders = new Senders(100_000);
    const done = [
      senders.send(0, frames(400, 1000)),
      senders.send(1, frames(100, 10_000)),
      senders.send(2, frames(30, 10_000)),
    ];
    await senders.run(3000);
    for (const sender of [0, 1, 2]) {
      expect(Math.abs(senders.bytesBy(sender, 0, 3000) - 100_000)).toBeLessThanOrEqual(10_000);
    }
    await senders.run();
    await Promise.all(done);
    // The third has sent its 300,000 bytes after 9 s, the first its 400,000 1 s x 2 later; then the last is alone.
    expect(Math.abs(senders.bytesBy(0, 9000, 10_000) - 50_000)).toBeLessThanOrEqual(10_000);
    expect(senders.bytesBy(2, 9300, 1e9)).toBe(0);
    expect(Math.abs(senders.bytesBy(1, 12_000, 13_000) - 100_000)).toBeLessThanOrEqual(10_000);
    // 1.7 million bytes at 100,000 a second, to the frame.
    expect(senders.sent.at(-1)?.at).toBe(16_900);
  });

  it('owes nothing to whoever comes late: its turn is equal from then on', async () => {
    const senders = new Senders(100_000);
    const done = [senders.send(0, frames(60, 10_000)), senders.send(1, frames(60, 10_000), 2000)];
    await senders.run();
    await Promise.all(done);
    expect(senders.bytesBy(0, 2000, 4000)).toBeGreaterThanOrEqual(90_000);
    expect(senders.bytesBy(1, 2000, 4000)).toBeGreaterThanOrEqual(90_000);
  });

  it('does not drift because its timers are late, and makes nothing up after an idle time', async () => {
    const late = new Senders(100_000, 3);
    const done = late.send(0, frames(100, 1000));
    await late.run();
    await done;
    expect(late.sent.at(-1)?.at).toBeLessThanOrEqual(990 + 10);
    const idle = new Senders(100_000);
    const both = [
      idle.send(0, frames(2, 1000)),
      idle.send(1, frames(20, 1000), 5000),
      idle.send(0, frames(20, 1000), 5000),
    ];
    await idle.run();
    await Promise.all(both);
    expect(idle.bytesBy(0, 5000, 5100) + idle.bytesBy(1, 5000, 5100)).toBe(10_000);
  });

  it('counts nothing for those who do not want to send any more', async () => {
    const senders = new Senders(1000);
    const gone = senders.send(0, frames(3, 10_000), 0, 500);
    const stays = senders.send(1, frames(2, 1000), 1);
    await senders.run();
    await Promise.all([gone, stays]);
    expect(senders.sent.map(({ sender, at }) => [sender, at])).toEqual([
      [0, 0],
      [1, 10_000],
      [1, 11_000],
    ]);
  });

  it('is a positive number of bytes a second, and an option only as it is made here', () => {
    for (const bytes of [0, -1, Number.NaN]) expect(() => sharedBudget(bytes)).toThrow(RangeError);
    const budget = sharedBudget(5);
    expect(resolveOptions({ budget }).budget).toBe(budget);
    // @ts-expect-error: a number is `bytesPerSecond`.
    expect(() => resolveOptions({ budget: 5 })).toThrow(TypeError);
  });
});
