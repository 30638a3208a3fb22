import { describe, expect, it } from 'vitest';
import { resolveOptions } from '../../src/migration/options.js';
import { capabilitiesOf } from '../../src/migration/source-plan.js';
import { capability } from '../../src/protocol/version.js';

describe('the options of a migration', () => {
  it('refuse times that no timer can wait for, which would end at once instead', () => {
    for (const name of ['maxDowntimeMs', 'switchoverTimeoutMs', 'outcomeTimeoutMs']) {
      for (const ms of [Number.POSITIVE_INFINITY, 2 ** 31, 1e10, Number.NaN, 0]) {
        expect(() => resolveOptions({ [name]: ms })).toThrow(RangeError);
      }
    }
    const { switchoverTimeoutMs } = resolveOptions({ maxDowntimeMs: 1_000_000_000 });
    expect(switchoverTimeoutMs).toBe(1_000_000_000);
  });

  it.each(['patches', 'compression', 'checksum'] as const)('know three ways with %s', (name) => {
    expect(resolveOptions()[name]).toBe('auto');
    for (const way of ['auto', 'always', 'never'] as const) {
      expect(resolveOptions({ [name]: way })[name]).toBe(way);
    }
    expect(() => resolveOptions(JSON.parse(`{"${name}":"sometimes"}`))).toThrow(RangeError);
  });

  it('take 0 to 16 workers, and no patches beside them', () => {
    expect(resolveOptions().workers).toBe(0);
    expect(resolveOptions({ workers: 16 }).workers).toBe(16);
    for (const workers of [-1, 1.5, 17, Number.NaN]) {
      expect(() => resolveOptions({ workers })).toThrow(RangeError);
    }
    expect(() => resolveOptions({ workers: 1, patches: 'always' })).toThrow(RangeError);
    expect(capabilitiesOf(resolveOptions({ workers: 1 })) & capability.patches).toBe(0);
    expect(capabilitiesOf(resolveOptions()) & capability.patches).not.toBe(0);
  });
});
