import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import { LinkSchedule, type LinkShape } from './link-shape.js';

const noJitter = (): number => 0;

const shapes: fc.Arbitrary<LinkShape> = fc.record({
  bytesPerSecond: fc.integer({ min: 1000, max: 1e9 }),
  delayMs: fc.double({ min: 0, max: 100, noNaN: true }),
  jitterMs: fc.double({ min: 0, max: 50, noNaN: true }),
  burstBytes: fc.integer({ min: 0, max: 100_000 }),
});

const traffic = fc.array(
  fc.record({
    pauseMs: fc.double({ min: 0, max: 20, noNaN: true }),
    bytes: fc.integer({ min: 1, max: 65_536 }),
  }),
  { minLength: 1, maxLength: 100 },
);

describe('a link', () => {
  it('carries its rate, after a burst, and each segment after its delay', () => {
    const link = new LinkSchedule(
      { bytesPerSecond: 1_000_000, delayMs: 10, burstBytes: 2000 },
      noJitter,
    );
    expect(link.accept(2000, 100)).toBe(110);
    expect(link.accept(1000, 100)).toBe(111);
    expect(link.accept(1000, 100)).toBe(112);
    expect(link.waitingBytes(100)).toBe(2000);
    expect(link.waitingBytes(101.5)).toBe(500);
    expect(link.waitingBytes(200)).toBe(0);
    expect(link.accept(1000, 200)).toBe(210);
  });

  it('lets everything through at once where it has no rate', () => {
    const link = new LinkSchedule(
      { bytesPerSecond: Number.POSITIVE_INFINITY, delayMs: 3 },
      noJitter,
    );
    for (let at = 0; at < 5; at++) expect(link.accept(1 << 20, 7)).toBe(10);
    expect(link.waitingBytes(7)).toBe(0);
  });

  it('never lets bytes overtake each other, nor arrive before their delay', () => {
    fc.assert(
      fc.property(shapes, traffic, fc.nat(), (shape, segments, seed) => {
        const random = new Random(seed);
        const link = new LinkSchedule(shape, () => random.u32() / 2 ** 32);
        let now = 0;
        let last = 0;
        for (const { pauseMs, bytes } of segments) {
          now += pauseMs;
          const arrival = link.accept(bytes, now);
          expect(arrival).toBeGreaterThanOrEqual(Math.max(last, now + shape.delayMs));
          last = arrival;
        }
      }),
    );
  });

  it('never carries more than its rate and one burst, in any stretch of time', () => {
    fc.assert(
      fc.property(shapes, traffic, (shape, segments) => {
        const link = new LinkSchedule(shape, noJitter);
        const burst = shape.burstBytes ?? 0;
        let now = 0;
        const arrivals = segments.map(({ pauseMs, bytes }) => {
          now += pauseMs;
          return { bytes, at: link.accept(bytes, now) };
        });
        for (let first = 0; first < arrivals.length; first++) {
          let carried = 0;
          for (const { bytes, at } of arrivals.slice(first)) {
            const ms = at - (arrivals[first]?.at ?? 0);
            // The first segment had begun to leave before the stretch did.
            if (carried > 0) {
              const most = burst + (ms * shape.bytesPerSecond) / 1000;
              expect(carried + bytes - (arrivals[first]?.bytes ?? 0)).toBeLessThanOrEqual(most + 1);
            }
            carried += bytes;
          }
        }
      }),
    );
  });

  it('goes on where it was after nothing moved for a while', () => {
    const link = new LinkSchedule(
      { bytesPerSecond: 1_000_000, delayMs: 10, burstBytes: 0 },
      noJitter,
    );
    expect(link.accept(5000, 0)).toBe(15);
    link.postpone(1000);
    expect(link.waitingBytes(1001)).toBe(4000);
    expect(link.accept(1000, 1001)).toBe(1016);
  });

  it('refuses a shape that is none', () => {
    const wrong: readonly LinkShape[] = [
      { bytesPerSecond: 0, delayMs: 0 },
      { bytesPerSecond: Number.NaN, delayMs: 0 },
      { bytesPerSecond: 1, delayMs: -1 },
      { bytesPerSecond: 1, delayMs: 0, jitterMs: -1 },
    ];
    for (const shape of wrong) expect(() => new LinkSchedule(shape, noJitter)).toThrow(RangeError);
  });
});
