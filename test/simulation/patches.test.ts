import { describe, expect, it } from 'vitest';
import { type Scenario, simulate } from './world.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const stride = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1) * (nightly ? 50 : 250);

/** A guest whose content moves about, over a link slow enough for rounds to bring patches. */
const moving: Scenario = {
  seed: 8,
  pages: 40,
  tracker: 'marks',
  moves: true,
  writeEveryMs: 3,
  latencyMs: 1,
  options: { patches: 'always', bytesPerSecond: 2_000_000, maxDowntimeMs: 30, onStall: 'force' },
};

describe('a guest whose content moves', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'arrives whole with patches on the way (%s)',
    async (tracker) => {
      for (let seed = 1; seed <= 5; seed++) {
        const outcome = await simulate({ ...moving, tracker, seed });
        expect(outcome.violations).toEqual([]);
        expect(outcome.completed).toBe(true);
        expect(outcome.report?.pagesByKind.patch).toBeGreaterThan(4);
        expect(outcome.report?.repaired).toBe(0);
      }
    },
  );

  it('arrives whole where it grows meanwhile', async () => {
    const outcome = await simulate({ ...moving, growEveryMs: 15 });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(outcome.report?.pagesByKind.patch).toBeGreaterThan(5);
  });

  it('sends none where that is not wanted', async () => {
    const options = { ...moving.options, patches: 'never' } as const;
    const outcome = await simulate({ ...moving, options });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(outcome.report?.pagesByKind.patch).toBe(0);
  });

  it('is repaired where what a patch copied from had changed by itself', async () => {
    const outcome = await simulate({ ...moving, decays: true, decayAfterAcks: 3 });
    expect(outcome.violations).toEqual([]);
    expect(outcome.completed).toBe(true);
    expect(outcome.report?.repaired).toBeGreaterThan(0);
  });

  it('runs on one side and is what was written wherever the link is cut', async () => {
    const whole = await simulate(moving);
    for (let cut = 1; cut < whole.deliveredBytes; cut += stride) {
      const outcome = await simulate({ ...moving, cutAfterBytes: cut });
      expect(outcome.violations).toEqual([]);
    }
  }, 600_000);
});
