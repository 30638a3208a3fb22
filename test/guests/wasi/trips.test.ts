import { expect, it } from 'vitest';
import { makeTrips } from '../example-trips.js';

it('a WASI program moves between two processes ten times while it works, and is as one that never moved', {
  timeout: 120_000,
}, async () => {
  const { trips, equal, steps } = await makeTrips('wasi', 10);
  expect(equal).toBe(true);
  expect(trips).toHaveLength(10);
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
  expect(steps).toBeGreaterThan(before);
  // What is here from before is not sent again.
  const back = trips.slice(2);
  const sum = (count: (trip: (typeof trips)[number]) => number): number =>
    back.reduce((total, trip) => total + count(trip), 0);
  expect(sum(({ pagesSent }) => pagesSent)).toBeLessThan(0.8 * sum(({ totalPages }) => totalPages));
});
