import { describe, expect, it } from 'vitest';
import { frameFlag, readHeader, sealFrame } from '../../src/protocol/header.js';
import { record } from '../evidence/record.js';
import { type Outcome, type Scenario, simulate } from './world.js';

/** 1: every byte position. PAGEFERRY_CUT_STRIDE makes a sample of it, for runs that only have to find something. */
const everyByte = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1);
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const minutes = 60_000;

/** Small enough to be cut at every byte: a zero page, a filled one, a sparse one. */
const small: Scenario = { seed: 1, pages: 3, tracker: 'marks', fresh: true, stateBytes: 40 };
const dense: Scenario = { seed: 2, pages: 6, tracker: 'marks', stateBytes: 40, writeEveryMs: 3 };

/** Runs `scenario` cut at every `stride`-th position of all that it sends; returns how the runs ended and what went wrong. */
async function cutEverywhere(
  scenario: Scenario,
  stride: number,
): Promise<{
  readonly runs: number;
  readonly ends: ReadonlySet<string>;
  readonly violations: readonly string[];
  /** For the record. */
  readonly counts: Readonly<Record<string, number>>;
}> {
  const whole = await simulate(scenario);
  expect(whole.violations).toEqual([]);
  const ends = new Set<string>();
  const violations: string[] = [];
  let runs = 0;
  // A sample must not miss the switchover, the last few hundred bytes.
  const step = (at: number): number =>
    at > whole.deliveredBytes - 300 ? Math.min(stride, 17) : stride;
  for (let cut = 1; cut <= whole.deliveredBytes; cut += step(cut)) {
    const outcome = await simulate({ ...scenario, cutAfterBytes: cut });
    runs += 1;
    ends.add(`${outcome.sourcePhase}/${outcome.destinationPhase}`);
    violations.push(...outcome.violations.map((what) => `cut at ${cut}: ${what}`));
  }
  return { runs, ends, violations, counts: { cutPositions: runs, violations: violations.length } };
}

describe('a migration in virtual time', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'completes with the %s tracker while the guest writes, whatever the destination held before',
    async (tracker) => {
      for (const fresh of [true, false]) {
        const outcome = await simulate({ ...dense, tracker, fresh });
        expect(outcome).toMatchObject({
          completed: true,
          source: 'paused',
          destination: 'running',
          violations: [],
        });
        expect(outcome.report?.repaired).toBe(0);
      }
    },
  );

  it('follows a memory that grows, before and after the pause', async () => {
    for (const seed of [1, 2, 3]) {
      const outcome = await simulate({ ...dense, seed, growEveryMs: 5 });
      expect(outcome).toMatchObject({ completed: true, violations: [] });
    }
  });

  it('carries a state of many chunks', async () => {
    const outcome = await simulate({ ...small, stateBytes: 200_000 });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
  });

  it('finds and repairs memory that changed by itself at the destination', async () => {
    const outcome = await simulate({ ...dense, decays: true });
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(outcome.report?.repaired).toBe(1);
  });

  it('gives a pause back that would overrun its limit, and the guest runs on', async () => {
    const outcome = await simulate({
      ...dense,
      latencyMs: 2,
      options: { maxDowntimeMs: 5, settle: 'first', onStall: 'cancel' },
    });
    expect(outcome.violations).toEqual([]);
    expect(outcome.source).toBe('running');
    expect(outcome.failure).toBe('ERR_NOT_CONVERGING');
  });
});

describe('a migration whose link is cut', () => {
  it(
    'never runs twice, never loses a byte, and ends in a stated phase, wherever it is cut',
    async ({ task }) => {
      const stride = nightly ? 1 : 3 * everyByte;
      const { runs, ends, violations, counts } = await cutEverywhere(small, stride);
      record(task, { what: 'a link cut for a moment', seeds: [small.seed], counts });
      expect(violations).toEqual([]);
      expect(runs).toBeGreaterThan(1000 / stride);
      // Before COMMIT the source goes on; after it the question is asked and answered.
      expect(['completed/running', 'failed/aborted', 'failed/none']).toEqual(
        expect.arrayContaining([...ends]),
      );
      expect(ends.has('completed/running') && ends.has('failed/none')).toBe(true);
      // Only ACCEPT lost: few bytes.
      if (stride <= 20) expect(ends.has('failed/aborted')).toBe(true);
    },
    10 * minutes,
  );

  it(
    'stays in doubt, and paused, where the link never comes back',
    async ({ task }) => {
      const { ends, violations, counts } = await cutEverywhere(
        { ...small, staysCut: true },
        nightly ? 1 : 11,
      );
      record(task, { what: 'a link cut for good', seeds: [small.seed], counts });
      expect(violations).toEqual([]);
      expect(ends.has('in-doubt/ready') || ends.has('in-doubt/running')).toBe(true);
    },
    10 * minutes,
  );

  it.for([
    ['dense pages and marks', dense],
    ['hashes', { ...dense, tracker: 'hash' }],
    ['a shadow', { ...dense, tracker: 'compare', fresh: true }],
    ['growth', { ...dense, growEveryMs: 5 }],
    ['a repair', { ...dense, decays: true }],
  ] as const)('holds with %s', { timeout: 60 * minutes }, async ([name, scenario], { task }) => {
    const stride = nightly ? 1 : 211 * everyByte;
    const { violations, counts } = await cutEverywhere(scenario, stride);
    record(task, { what: `a link cut with ${name}`, seeds: [scenario.seed], counts });
    expect(violations).toEqual([]);
  });

  it(
    'never takes a flipped bit for something else',
    async ({ task }) => {
      const whole = await simulate(small);
      const violations: string[] = [];
      let flips = 0;
      for (const from of ['source', 'destination'] as const) {
        for (let byte = 0; byte < whole.deliveredBytes; byte += nightly ? 1 : 23 * everyByte) {
          const outcome: Outcome = await simulate({ ...small, flip: { from, byte } });
          flips += 1;
          violations.push(...outcome.violations.map((what) => `${from}, byte ${byte}: ${what}`));
        }
      }
      const counts = { flips, violations: violations.length };
      record(task, { what: 'a bit flipped on the way', seeds: [small.seed], counts });
      expect(violations).toEqual([]);
    },
    60 * minutes,
  );
});

describe('pages without a checksum', () => {
  it('are sent so where that is asked for, and arrive whole', async () => {
    const checksums: bigint[] = [];
    const scenario: Scenario = {
      ...dense,
      options: { checksum: 'never' },
      forge: (frame) => {
        checksums.push(readHeader(frame).checksum);
        return frame;
      },
    };
    const outcome = await simulate(scenario);
    expect(outcome).toMatchObject({ completed: true, violations: [] });
    expect(checksums).toEqual([0n]);
  });

  it('are never run with a flipped bit: it is repaired, or ends the migration', async () => {
    const scenario: Scenario = { ...dense, options: { checksum: 'never' } };
    const whole = await simulate(scenario);
    let repaired = 0;
    for (let byte = 400; byte < whole.deliveredBytes; byte += 97 * Math.min(everyByte, 5)) {
      const outcome = await simulate({ ...scenario, flip: { from: 'source', byte } });
      expect(outcome.violations).toEqual([]);
      repaired += outcome.report?.repaired ?? 0;
    }
    expect(repaired).toBeGreaterThan(0);
  }, 600_000);
});

describe('a switchover in doubt', () => {
  /** Cuts `small` for good where the source ends in doubt and the destination is ready: COMMIT is lost. */
  async function lostCommit(): Promise<number> {
    const whole = await simulate(small);
    for (let cut = whole.deliveredBytes; cut > 0; cut -= 5) {
      const outcome = await simulate({ ...small, cutAfterBytes: cut, staysCut: true });
      if (outcome.destinationPhase === 'ready' && outcome.sourcePhase === 'in-doubt') return cut;
    }
    throw new Error('no cut loses COMMIT');
  }

  it('is ended by the operator, who says on which side the guest runs', async () => {
    const cutAfterBytes = await lostCommit();
    const doubt: Scenario = { ...small, cutAfterBytes, staysCut: true };
    const there = await simulate({
      ...doubt,
      operator: { source: 'abandon', destination: 'resume' },
    });
    expect(there).toMatchObject({
      source: 'paused',
      destination: 'running',
      failure: 'ERR_OUTCOME_UNKNOWN',
      violations: [],
    });
    const here = await simulate({
      ...doubt,
      operator: { source: 'resume', destination: 'abandon' },
    });
    expect(here).toMatchObject({
      source: 'running',
      destination: 'stopped',
      failure: 'ERR_OUTCOME_UNKNOWN',
      violations: [],
    });
  });

  it('lasts until somebody decides: a minute of silence decides nothing', async () => {
    const cutAfterBytes = await lostCommit();
    const outcome = await simulate({ ...small, cutAfterBytes, staysCut: true });
    expect(outcome).toMatchObject({
      sourcePhase: 'in-doubt',
      destinationPhase: 'ready',
      source: 'paused',
      destination: 'stopped',
    });
    expect(outcome.virtualMs).toBeGreaterThan(50_000);
  });
});

describe('a hostile source', () => {
  it('gets nothing written by a frame whose table is wrong at its very end', async () => {
    const outcome = await simulate({
      ...dense,
      options: { compression: 'never' },
      forge: (frame) => {
        const header = readHeader(frame);
        const lastTableByte = 40 + header.tableBytes - 1;
        // Kind 7, which no version knows, in the last run; everything before it is in order.
        frame[lastTableByte] = (frame[lastTableByte] ?? 0) | 7;
        sealFrame(frame, { ...header, flags: header.flags & ~frameFlag.noChecksum });
        return frame;
      },
    });
    expect(outcome.failure).toBe('ERR_FRAME_CORRUPT');
    expect(outcome.untouched).toBe(true);
    expect(outcome.violations).toEqual([]);
  });
});
