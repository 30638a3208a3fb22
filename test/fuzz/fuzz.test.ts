import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import { regressions } from './regressions.js';
import { fuzz, growthBytes } from './run.js';
import { failureOf } from './shrink.js';
import { targetNamed, targets } from './targets.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const first = Number(process.env['PAGEFERRY_SEED'] ?? randomInt(2 ** 31));

/** How many inputs of each target are tried in every run, and in a nightly one: ten million in all. */
const counts: Readonly<Record<string, { readonly always: number; readonly nightly: number }>> = {
  framer: { always: 4000, nightly: 2_000_000 },
  decoder: { always: 4000, nightly: 2_000_000 },
  apply: { always: 300, nightly: 100_000 },
  xbzrle: { always: 2000, nightly: 1_000_000 },
  lz4: { always: 2000, nightly: 600_000 },
  'state-delta': { always: 500, nightly: 250_000 },
  'program-state': { always: 500, nightly: 100_000 },
  instrumentation: { always: 600, nightly: 200_000 },
  handshake: { always: 200, nightly: 50_000 },
  'source-machine': { always: 4000, nightly: 2_000_000 },
  'destination-machine': { always: 4000, nightly: 2_000_000 },
};

describe('whatever strangers say', () => {
  it.for(targets)(
    'is refused with a code or done as it should be: $name',
    async (target, { task }) => {
      const { [target.name]: wanted = { always: 0, nightly: 0 } } = counts;
      expect(wanted.always).toBeGreaterThan(0);
      const count = nightly ? wanted.nightly : wanted.always;
      const { inputs, grownBytes, finding } = await fuzz(target, { seed: first, count });
      record(task, { what: `fuzz ${target.name}`, seeds: [first], counts: { fuzzInputs: inputs } });
      expect(finding).toBeUndefined();
      expect(grownBytes).toBeLessThan(growthBytes);
    },
  );

  it.for(regressions())('is not what it once was: $file', async ({ target, input }) => {
    expect(await failureOf(targetNamed(target), input)).toBeUndefined();
  });
});
