import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doorLimits } from '../../src/migration/door-limits.js';

describe('the places of a listener', () => {
  const all = { strangers: 256, strangersPerAddress: 128, members: 16 * 9 };

  it('are all there are where descriptors are many, or nobody knows', () => {
    expect(doorLimits(16, 8, { limit: 1024, open: 30 })).toEqual(all);
    expect(doorLimits(16, 8, { limit: Number.POSITIVE_INFINITY, open: 30 })).toEqual(all);
  });

  it('are fewer where descriptors are few, most of them for sessions', () => {
    expect(doorLimits(16, 8, { limit: 256, open: 40 })).toEqual({
      strangers: 50,
      strangersPerAddress: 25,
      members: 100,
    });
  });

  it('and the files of sessions never are more than there are descriptors', () => {
    fc.assert(
      fc.property(
        fc.record({
          limit: fc.integer({ min: 64, max: 2000 }),
          open: fc.integer({ max: 40, min: 3 }),
        }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 16 }),
        (descriptors, maxSessions, maxConnections) => {
          const { strangers, strangersPerAddress, members } = doorLimits(
            maxSessions,
            maxConnections,
            descriptors,
          );
          expect(strangers + members).toBeLessThan(descriptors.limit - descriptors.open);
          expect(Math.min(strangers, strangersPerAddress, members)).toBeGreaterThan(0);
          expect(strangersPerAddress).toBeLessThanOrEqual(strangers);
          expect(members).toBeLessThanOrEqual(maxSessions * (maxConnections + 1));
        },
      ),
    );
  });
});
