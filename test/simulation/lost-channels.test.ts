import { describe, expect, it } from 'vitest';
import { type Outcome, type Scenario, simulate } from './world.js';

/** 1: every byte position that is of interest. PAGEFERRY_CUT_STRIDE makes a sample of it. */
const everyByte = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1);
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const minutes = 60_000;

/** Three channels, pages for all of them in the pause too. */
const spread: Scenario = {
  seed: 7,
  pages: 256 * 2 + 4,
  tracker: 'marks',
  fresh: true,
  sparse: true,
  stateBytes: 40,
  writeEveryMs: 3,
  writesAtPause: () => 20,
  options: { connections: 3 },
};

/** Lasts for some seconds, in which what was lost is replaced. */
const long: Scenario = {
  ...spread,
  latencyMs: 60,
  options: { connections: 3, maxDowntimeMs: 1000 },
};

/** All that is lost with a page channel are its frames under way: the migration goes on without an interruption, and nothing needs repair. */
function expectWhole(outcome: Outcome, what: string): void {
  expect({ what, ...outcome }).toMatchObject({
    what,
    completed: true,
    destination: 'running',
    source: 'paused',
    violations: [],
    report: { repaired: 0, interruptions: 0 },
  });
}

/** Positions to cut at, of so many bytes. */
function positions(bytes: number, sample: number): number[] {
  const stride = nightly ? sample : Math.min(sample * everyByte, Math.ceil(bytes / 8));
  return Array.from({ length: Math.ceil(bytes / stride) }, (_, at) => 1 + at * stride);
}

/** Gives how many connections there were at most. */
async function cutEverywhere(
  scenario: Scenario,
  cutConnection: number,
  sample: number,
): Promise<number> {
  let connections = 0;
  const whole = await simulate({ ...scenario, cutConnection });
  expectWhole(whole, 'not cut');
  for (const cut of positions(whole.deliveredBytes, sample)) {
    const outcome = await simulate({ ...scenario, cutConnection, cutAfterBytes: cut });
    expectWhole(outcome, `cut at ${cut}`);
    connections = Math.max(connections, outcome.delivered.length);
  }
  return connections;
}

describe('a page channel that is lost', () => {
  it.each([1, 2])(
    'takes nothing with it, wherever number %d is cut',
    async (number) => {
      await cutEverywhere(spread, number, 7);
    },
    10 * minutes,
  );

  it(
    'is replaced, wherever it is cut',
    async () => expect(await cutEverywhere(long, 1, 211)).toBe(4),
    10 * minutes,
  );

  it(
    'is done without, wherever it is cut for good',
    async () => expect(await cutEverywhere({ ...long, staysCut: true }, 1, 499)).toBe(3),
    10 * minutes,
  );

  it(
    'brings nothing more once its pages went on others, however much of it was under way',
    async () => {
      // Slow itself, beside a fast one; and what is said of it takes longest.
      const late: Scenario = {
        ...spread,
        sparse: false,
        pages: 300,
        lingersMs: 400,
        bytesPerTurn: 4096,
        latenciesMs: [40, 5, 0.2],
        pagesLatencyMs: 0.2,
        writeEveryMs: 1,
        writes: (nowMs) => (nowMs < 600 ? 20 : 0),
        options: { connections: 3, maxDowntimeMs: 1000 },
      };
      await cutEverywhere(late, 1, 9973);
    },
    10 * minutes,
  );

  it(
    'is made up for where frames are compressed, the memory grows, and nothing is fresh',
    async () => {
      const growing: Scenario = {
        ...spread,
        fresh: false,
        growEveryMs: 2,
        pagesLatencyMs: 2,
        options: { connections: 3, compression: 'always' },
      };
      for (const tracker of ['marks', 'hash'] as const) {
        await cutEverywhere({ ...growing, tracker }, 2, 211);
      }
    },
    10 * minutes,
  );

  it(
    'may be one of several, and its successor too',
    async () => {
      const { delivered } = await simulate(long);
      for (const first of positions(delivered[1] ?? 0, 2999)) {
        for (const second of positions(delivered[2] ?? 0, 2999)) {
          const cuts = [undefined, first, second, 400, second];
          expectWhole(await simulate({ ...long, cuts }), `cut at ${cuts}`);
        }
      }
    },
    10 * minutes,
  );

  it(
    'is no obstacle to a cut of all',
    async () => {
      const { delivered } = await simulate(long);
      for (const all of positions(delivered[0] ?? 0, 997)) {
        for (const one of positions(delivered[1] ?? 0, 2999)) {
          const outcome = await simulate({ ...long, cuts: [all, one], lingersMs: 5 });
          expect(outcome.violations).toEqual([]);
          expect(outcome.report?.repaired ?? 0).toBe(0);
        }
      }
    },
    10 * minutes,
  );

  it('is closed while a frame for it waits for its budget: that is as lost as those it sent', async () => {
    for (const [bytesPerSecond, pagesLatencyMs] of [
      [100_000, 500],
      [400_000, 200],
    ] as const) {
      const paced: Scenario = {
        ...spread,
        pages: 200,
        sparse: false,
        writesAtPause: () => 0,
        latencyMs: 1,
        pagesLatencyMs,
        cuts: [undefined, 3000],
        options: { connections: 2, maxDowntimeMs: 10_000, compression: 'never', bytesPerSecond },
      };
      expectWhole(await simulate(paced), `${bytesPerSecond} bytes a second`);
    }
  });

  it('may be lost with every other: the control channel is left', async () => {
    const scenario: Scenario = { ...long, staysCut: true };
    expectWhole(await simulate({ ...scenario, cuts: [undefined, 300, 200] }), 'both');
  });
});
