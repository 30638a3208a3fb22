import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MigrationEvent } from '../../src/migration/events.js';
import { type Outcome, type Scenario, simulate } from './world.js';

const dense: Scenario = { seed: 5, pages: 40, tracker: 'marks', stateBytes: 100 };
const isNightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const complete = { violations: [], completed: true, destination: 'running' };

function eventsOf<Type extends MigrationEvent['type']>(outcome: Outcome, type: Type) {
  return outcome.events.filter(
    (event): event is Extract<MigrationEvent, { type: Type }> => event.type === type,
  );
}

/** Pages that were sent in whatever form. */
function pagesSent({ report }: Outcome): number {
  return Object.values(report?.pagesByKind ?? {}).reduce((sum, pages) => sum + pages, 0);
}

describe('a destination that holds an older copy', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'is sent only what differs, tracked by %s',
    async (tracker) => {
      const scenario: Scenario = { ...dense, tracker, pages: 600, writes: () => 0 };
      const whole = await simulate(scenario);
      const outcome = await simulate({ ...scenario, heldOf16: 12 });
      expect(outcome).toMatchObject(complete);
      expect(outcome.report?.repaired).toBe(0);
      expect(eventsOf(outcome, 'compared')).toEqual([
        { type: 'compared', samePages: 450, totalPages: 600 },
      ]);
      expect(pagesSent(whole)).toBe(600);
      expect(pagesSent(outcome)).toBe(150);
    },
  );

  it.each([
    { heldOf16: 16 },
    { heldOf16: 0 },
    { heldOf16: 8, growEveryMs: 3 },
    { heldOf16: 12, pages: 600, sparse: true, options: { connections: 3 } },
    { heldOf16: 12, moves: true },
    { heldOf16: 12, options: { compression: 'always' } },
    { heldOf16: 12, pages: 1 },
    { heldOf16: 12, pages: 256 },
    { heldOf16: 3, pages: 257, tracker: 'hash', rehearsable: true },
  ] as Partial<Scenario>[])('is brought to what the source has: %o', async (kind) => {
    const outcome = await simulate({ ...dense, ...kind });
    expect(outcome).toMatchObject(complete);
    expect(outcome.report?.repaired).toBe(0);
  });

  it('is not asked where threads capture: everything goes', async () => {
    const outcome = await simulate({ ...dense, heldOf16: 16, options: { workers: 2 } });
    expect(outcome).toMatchObject(complete);
    expect(eventsOf(outcome, 'compared')).toEqual([]);
    expect(pagesSent(outcome)).toBeGreaterThan(39);
  });

  it('survives a cut at every byte of the comparison, and what follows it', async () => {
    const scenario: Scenario = { ...dense, pages: 20, heldOf16: 15 };
    const { deliveredBytes } = await simulate(scenario);
    const stride = isNightly ? 1 : 101;
    let comparedTwice = 0;
    for (let cut = 100; cut < deliveredBytes; cut += stride) {
      const outcome = await simulate({ ...scenario, cuts: [cut] });
      expect({ cut, ...outcome }).toMatchObject({ cut, violations: [] });
      const isGreeted = outcome.completed || outcome.failure !== undefined;
      expect({ cut, isGreeted }).toEqual({ cut, isGreeted: true });
      if (outcome.completed)
        expect({ cut, repaired: outcome.report?.repaired }).toEqual({ cut, repaired: 0 });
      if (eventsOf(outcome, 'resumed').length > 0 && eventsOf(outcome, 'compared').length > 0)
        comparedTwice += 1;
    }
    expect(comparedTwice).toBeGreaterThan(1);
  });
});

describe('a destination that is started again', () => {
  const base: Scenario = { ...dense, pages: 60, writeEveryMs: 20 };

  it('goes on with what it has: only what differs travels again', async () => {
    const whole = await simulate(base);
    const cut = Math.round((whole.delivered[0] ?? 0) * 0.9);
    const outcome = await simulate({ ...base, cuts: [cut], restarts: [1], keeps: true });
    expect(outcome).toMatchObject(complete);
    expect(outcome.report?.repaired).toBe(0);
    const [compared] = eventsOf(outcome, 'compared');
    expect(compared?.samePages).toBeGreaterThan(40);
    expect(outcome.delivered[1]).toBeLessThan((whole.delivered[0] ?? 0) * 0.5);
  });

  it('that has nothing left is sent everything again', async () => {
    const whole = await simulate(base);
    const cut = Math.round((whole.delivered[0] ?? 0) * 0.9);
    const outcome = await simulate({ ...base, cuts: [cut], restarts: [1] });
    expect(outcome).toMatchObject(complete);
    expect(outcome.report?.repaired).toBe(0);
    expect(outcome.delivered[1]).toBeGreaterThan((whole.delivered[0] ?? 0) * 0.8);
  });

  it('again and again, anywhere, whatever it has left: everything arrives, nothing is repaired', async () => {
    const kinds = fc.record({
      seed: fc.integer({ min: 1, max: 1e9 }),
      pages: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constantFrom(255, 256, 257, 300)),
      tracker: fc.constantFrom<Scenario['tracker'][]>('marks', 'hash', 'compare'),
      first: fc.integer({ min: 900, max: 60_000 }),
      // Also while it is offered anew.
      more: fc.array(
        fc.oneof(fc.integer({ min: 20, max: 900 }), fc.integer({ min: 900, max: 60_000 })),
        { maxLength: 3 },
      ),
      restarts: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
      keeps: fc.boolean(),
      grows: fc.boolean(),
      moves: fc.boolean(),
      fresh: fc.boolean(),
      held: fc.option(fc.integer({ min: 0, max: 16 }), { nil: undefined }),
      shadowBytes: fc.constantFrom(0, 1 << 20),
      baseCacheBytes: fc.constantFrom(0, 1 << 18),
    });
    const runs = isNightly ? 3000 : 40;
    let started = 0;
    await fc.assert(
      fc.asyncProperty(kinds, async ({ first, more, grows, held, ...kind }) => {
        const { shadowBytes, baseCacheBytes } = kind;
        const outcome = await simulate({
          ...kind,
          cuts: [first, ...more],
          stateBytes: 60,
          writeEveryMs: 2,
          ...(grows ? { growEveryMs: 4 } : {}),
          ...(held === undefined || kind.fresh ? {} : { heldOf16: held }),
          options: { shadowBytes, baseCacheBytes },
        });
        // Behind COMMIT a destination that forgot it can answer nothing: nobody but an operator may decide.
        const isTold = outcome.completed || outcome.sourcePhase === 'in-doubt';
        const { violations, failure, report } = outcome;
        expect({ violations, failure, isTold, repaired: report?.repaired ?? 0 }).toEqual({
          violations: [],
          failure: undefined,
          isTold: true,
          repaired: 0,
        });
        started += eventsOf(outcome, 'resumed').length;
      }),
      { numRuns: runs },
    );
    expect(started).toBeGreaterThan(runs);
  });
});
