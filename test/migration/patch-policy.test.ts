import { describe, expect, it } from 'vitest';
import { sharedBudget } from '../../src/index.js';
import { Meter } from '../../src/migration/meter.js';
import { type MigrateOptions, resolveOptions } from '../../src/migration/options.js';
import { PatchPolicy } from '../../src/migration/patch-policy.js';

/** A policy on a link that was seen to carry so many bytes a second. */
function policy(options: MigrateOptions, bytesPerSecond?: number): PatchPolicy {
  let now = 0;
  const meter = new Meter({
    now: () => now,
    after: () => () => {},
    turn: () => Promise.resolve(),
  });
  if (bytesPerSecond !== undefined) {
    for (let seq = 0, trip = 0; trip < 5; trip++) {
      const before = seq;
      while (meter.hasRoom(0)) {
        seq += 1;
        meter.left({ seq, bytes: bytesPerSecond / 100, pages: 1, at: now });
      }
      now += 10 * (seq - before);
      meter.acknowledged(seq);
    }
  }
  return new PatchPolicy(resolveOptions(options), meter);
}

describe('patches', () => {
  it.each([
    ['pay on a slow link', {}, 10e6, true, true],
    ['do not pay on a fast link', {}, 2e9, false, false],
    ['are not tried before the link is known', {}, undefined, false, false],
    [
      'pay below a slow budget, which does not bind the pause',
      { bytesPerSecond: 1e6 },
      2e9,
      true,
      false,
    ],
    ['pay below a slow budget that is shared', { budget: sharedBudget(1e6) }, 2e9, true, false],
    ['are tried always where that is asked for', { patches: 'always' }, 2e9, true, true],
    ['are tried never where that is asked for', { patches: 'never' }, 10e6, false, false],
  ] as const)('%s', (_, options, rate, live, paused) => {
    expect(policy(options, rate).pays(false)).toBe(live);
    expect(policy(options, rate).pays(true)).toBe(paused);
  });

  it('have to save what the link carries while one is made', () => {
    expect(policy({}, 50e6).tryCost(false)).toBe(5 * policy({}, 10e6).tryCost(false));
    expect(policy({}, 10e6).tryCost(false)).toBeGreaterThan(policy({}, 1e3).tryCost(false));
    expect(policy({ bytesPerSecond: 10e6 }, 50e6).tryCost(false)).toBe(
      policy({}, 10e6).tryCost(false),
    );
  });
});
