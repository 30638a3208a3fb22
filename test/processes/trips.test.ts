import { describe, expect, it } from 'vitest';
import { makeTrips } from '../guests/example-trips.js';

/** Each boots its program three times. Nightly ten trips of all; else a few of one, since each example makes some wherever it runs. */
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const count = nightly ? 10 : 4;

interface Traveller {
  readonly example: string;
  /** Of its pages, what trips back send; a program that writes all of its memory all the time sends all of it. */
  readonly part: number;
  /** How long it may take. */
  readonly ms?: number;
}

const travellers: readonly Traveller[] = [
  { example: 'wasm', part: Number.POSITIVE_INFINITY },
  { example: 'wasi', part: 0.8 },
  { example: 'quickjs', part: 0.8 },
  { example: 'sqlite', part: 0.7 },
  { example: 'pglite', part: 0.2, ms: 240_000 },
];

describe.each(travellers.filter(({ example }) => nightly || example === 'sqlite'))(
  '$example, time and again between two processes while it works',
  ({ example, part, ms = 100_000 }) => {
    it('is verified each time, sends what changed, and equals a twin that never moved', {
      timeout: ms + 20_000,
    }, async () => {
      const { trips, equal, steps } = await makeTrips(example, count, [], ms);
      expect(equal).toBe(true);
      expect(trips).toHaveLength(count);
      const [first, second] = [trips[0]?.from, trips[0]?.to];
      expect(first).not.toBe(second);
      let before = 0;
      for (const [index, trip] of trips.entries()) {
        expect([trip.from, trip.to]).toEqual(index % 2 === 0 ? [first, second] : [second, first]);
        expect(trip).toMatchObject({ verified: 'memory', repaired: 0 });
        // It worked on, before it left again and after.
        expect(trip.steps).toBeGreaterThan(before);
        before = trip.steps;
      }
      expect(steps).toBeGreaterThanOrEqual(before);
      // What is here from before is not sent again.
      const back = trips.slice(2);
      const sum = (number: (trip: (typeof trips)[number]) => number): number =>
        back.reduce((total, trip) => total + number(trip), 0);
      expect(sum(({ pagesSent }) => pagesSent)).toBeLessThan(
        part * sum(({ totalPages }) => totalPages),
      );
    });
  },
);
