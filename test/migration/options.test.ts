import { describe, expect, it } from 'vitest';
import { resolveOptions } from '../../src/migration/options.js';

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
});
