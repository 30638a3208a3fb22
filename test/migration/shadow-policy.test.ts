import { expect, it } from 'vitest';
import { type MigrateOptions, resolveOptions } from '../../src/migration/options.js';
import { ShadowPolicy } from '../../src/migration/shadow-policy.js';

it.each([
  ['all where nothing is known of the link', {}, undefined, ['all', 'all']],
  ['all on a slow link', {}, 100e6, ['all', 'all']],
  ['all below a slow budget', { bytesPerSecond: 10e6 }, 2e9, ['all', 'all']],
  ['all where patches are wanted whatever they cost', { patches: 'always' }, 2e9, ['all', 'all']],
  ['those sent again on a fast link, none in the last copy', {}, 500e6, ['again', 'none']],
] as [string, MigrateOptions, number | undefined, string[]][])(
  'shadows are kept of %s',
  (_name, options, bytesPerSecond, kept) => {
    const policy = new ShadowPolicy(resolveOptions(options), { bytesPerSecond });
    expect([policy.kept(false), policy.kept(true)]).toEqual(kept);
  },
);
