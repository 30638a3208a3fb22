import { describe, expect, it } from 'vitest';
import { type Scenario, simulate } from './world.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const stride = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1) * (nightly ? 500 : 2500);

/** A guest of which much is written, in pages that are not noise, over a link that is slow. */
const slow: Scenario = {
  seed: 8,
  pages: 120,
  tracker: 'marks',
  writeEveryMs: 2,
  latencyMs: 1,
  options: { bytesPerSecond: 2_000_000, maxDowntimeMs: 30, onStall: 'force' },
};

describe('a guest behind a slow link', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'arrives whole with compressed frames on the way (%s)',
    async (tracker) => {
      for (let seed = 1; seed <= 5; seed++) {
        for (const compression of ['auto', 'always'] as const) {
          const options = { ...slow.options, compression };
          const outcome = await simulate({ ...slow, tracker, seed, options });
          expect(outcome.violations).toEqual([]);
          expect(outcome.completed).toBe(true);
          const { compressed, repaired } = outcome.report ?? {};
          expect(compressed?.frames).toBeGreaterThan(0);
          expect(compressed?.bytes).toBeLessThan(0.95 * (compressed?.rawBytes ?? 0));
          expect(repaired).toBe(0);
        }
      }
    },
  );

  it('has none where that is not wanted', async () => {
    const options = { ...slow.options, compression: 'never' } as const;
    const outcome = await simulate({ ...slow, options });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(outcome.report?.compressed).toEqual({ frames: 0, rawBytes: 0, bytes: 0 });
  });

  it('has them on several connections', async () => {
    const options = { ...slow.options, compression: 'always', connections: 3 } as const;
    const outcome = await simulate({ ...slow, options });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(outcome.report?.compressed.frames).toBeGreaterThan(2);
  });

  it('runs on one side and is what was written wherever the link is cut', async () => {
    const options = { ...slow.options, compression: 'always' } as const;
    const whole = await simulate({ ...slow, options });
    for (let cut = 1; cut < whole.deliveredBytes; cut += stride) {
      const outcome = await simulate({ ...slow, options, cutAfterBytes: cut });
      expect(outcome.violations).toEqual([]);
    }
  }, 600_000);
});
