import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { FerryError } from '../../src/errors.js';
import { randomOf } from '../reference/random.js';
import { Guards } from './guard.js';
import { keepRegression, regressions } from './regressions.js';
import { fuzz } from './run.js';
import { failureOf } from './shrink.js';
import { refusal, type Target } from './target.js';

/** A target whose inputs are up to 200 random bytes. */
function targetOf(run: Target['run'], reset: () => void = () => {}): Target {
  return {
    name: 'planted',
    make: (random) => random.bytes(random.below(200)),
    run,
    reset,
  };
}

/** Fails wherever a 7 stands somewhere in front of a 9. */
const planted = targetOf((input) => {
  const seven = input.indexOf(7);
  if (seven >= 0 && input.indexOf(9, seven) >= 0) throw new Error('planted');
  return 'taken';
});

describe('a run', () => {
  it('finds what is wrong, says which seed makes it again, and makes it small', async () => {
    const { finding, inputs } = await fuzz(planted, { seed: 1, count: 10_000 });
    expect(finding?.error.message).toBe('planted');
    expect(finding?.input).toEqual(Uint8Array.of(7, 9));
    const { seed = 0 } = finding ?? {};
    expect(seed).toBe(inputs + 1);
    expect(await failureOf(planted, planted.make(randomOf(seed)))).toBeDefined();
    const again = await fuzz(planted, { seed, count: 1 });
    expect(again.finding?.input).toEqual(finding?.input);
  });

  it('tries as many inputs as it was told, and counts what became of them', async () => {
    const target = targetOf((input) => (input.length < 100 ? 'short' : 'long'));
    const { inputs, outcomes, finding } = await fuzz(target, { seed: 2 ** 32 - 5, count: 500 });
    expect(finding).toBeUndefined();
    expect(inputs).toBe(500);
    expect((outcomes.get('short') ?? 0) + (outcomes.get('long') ?? 0)).toBe(500);
  });

  it('says from which seed on to repeat what fails only behind other inputs', async () => {
    let run = 0;
    const target = targetOf(
      () => {
        run += 1;
        if (run === 5) throw new Error('the fifth');
        return 'taken';
      },
      () => {
        run = 0;
      },
    );
    const { finding } = await fuzz(target, { seed: 40, count: 100 });
    expect(finding).toMatchObject({ seed: 44, from: 40 });
  });

  it('takes an input that is slow whenever it is tried for a finding', async () => {
    const { finding } = await fuzz(
      targetOf(() => 'taken'),
      { seed: 1, count: 1, slowMs: 0 },
    );
    expect(finding?.error.message).toMatch(/^it takes/);
  });

  it('tells what is kept of inputs long gone', async () => {
    const hoard: unknown[] = [];
    const hoarding = targetOf(() => {
      hoard.push(new Uint8Array(2048).fill(1));
      return 'taken';
    });
    const { grownBytes } = await fuzz(hoarding, { seed: 1, count: 9000 });
    expect(grownBytes).toBeGreaterThan(9_000_000);
    const tidy = await fuzz(
      targetOf(() => 'taken'),
      { seed: 1, count: 9000 },
    );
    expect(tidy.grownBytes).toBeLessThan(1_000_000);
    expect(hoard).toHaveLength(9000);
  });
});

describe('what is a refusal', () => {
  it('has a code, and no mistake of ours behind it', () => {
    expect(refusal(new FerryError('ERR_BUSY', ''))).toBe('ERR_BUSY');
    const mistake = new TypeError('ours');
    expect(() => refusal(mistake)).toThrow(mistake);
    expect(() => refusal(new FerryError('ERR_IO', '', { cause: mistake }))).toThrow(mistake);
  });
});

describe('guards', () => {
  it('see a byte written before or behind what they stand around', () => {
    const guards = new Guards();
    const area = guards.around(100);
    area.fill(1);
    guards.check();
    for (const at of [-1, 100, 300]) {
      const byte = new Uint8Array(area.buffer, area.byteOffset + at, 1);
      const [before = 0] = byte;
      byte[0] = before + 1;
      expect(() => guards.check()).toThrow(/belongs to no area/);
      expect(byte[0]).toBe(before);
      guards.check();
    }
  });

  it('stand around every area of an arena made among them, and of no other', () => {
    const guards = new Guards();
    const arena = new Arena(10_000);
    const area = guards.inArenas(() => arena.alloc(100));
    arena.bytes(area, 100).fill(1);
    guards.check();
    const free = arena.alloc(50);
    arena.bytes(free, 50).fill(1);
    guards.check();
    for (const at of [-1, 100]) {
      const byte = arena.bytes(area + at, 1);
      const [before = 0] = byte;
      byte[0] = before + 1;
      expect(() => guards.check()).toThrow(/belongs to no area/);
      byte[0] = before;
    }
    guards.check();
  });
});

it('keeps findings under the name of their target', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pageferry-fuzz-'));
  const input = Uint8Array.of(1, 2, 3);
  keepRegression({ target: 'state-delta', input }, folder);
  keepRegression({ target: 'state-delta', input }, folder);
  expect(regressions(folder)).toMatchObject([{ target: 'state-delta', input }]);
  expect(regressions(join(folder, 'none'))).toEqual([]);
  await rm(folder, { recursive: true });
});
