import { describe, expect, it } from 'vitest';
import { frameFlag, readHeader, sealFrame } from '../../src/protocol/header.js';
import { capability } from '../../src/protocol/version.js';
import { record } from '../evidence/record.js';
import { type Outcome, type Scenario, simulate } from './world.js';

const everyByte = Number(process.env['PAGEFERRY_CUT_STRIDE'] ?? 1);
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const minutes = 60_000;

const small: Scenario = { seed: 1, pages: 3, tracker: 'marks', fresh: true, stateBytes: 40 };
const dense: Scenario = { seed: 2, pages: 6, tracker: 'marks', stateBytes: 40, writeEveryMs: 3 };

/** What is wrong with how a migration ended that was cut, and could go on each time: it must arrive, and no page may have needed the digest to be found. */
function faults({ violations, report, failure }: Outcome): string[] {
  if (report === undefined) return [...violations, `ended with ${failure}`];
  return report.repaired > 0
    ? [...violations, `${report.repaired} pages were repaired`]
    : [...violations];
}

/** Bytes of the conversation up to ACCEPT: a cut before it ends the migration. */
async function admittedAt(scenario: Scenario): Promise<number> {
  const { delivered } = await simulate(scenario);
  const whole = delivered[0] ?? 0;
  const admits = async (cut: number): Promise<boolean> =>
    (await simulate({ ...scenario, cuts: [cut] })).report !== undefined;
  let [not, yes] = [0, whole];
  while (yes - not > 1) {
    const middle = Math.floor((not + yes) / 2);
    if (await admits(middle)) yes = middle;
    else not = middle;
  }
  return yes;
}

describe('a migration whose connection is lost and made again', () => {
  const scenarios: readonly (readonly [string, Scenario])[] = [
    ['marks', small],
    ['pages that are written all along', dense],
    ['hashes', { ...dense, tracker: 'hash' }],
    ['a shadow', { ...dense, tracker: 'compare', fresh: true }],
    ['growth', { ...dense, growEveryMs: 5 }],
    ['rehearsed states', { ...dense, rehearsable: true, stateBytes: 3000 }],
    ['patches', { ...dense, pages: 40, moves: true, options: { patches: 'always' } }],
    ['compressed frames', { ...dense, options: { compression: 'always' } }],
    [
      'an older connection that goes on delivering',
      { ...dense, pages: 40, lingersMs: 400, latencyMs: 3, bytesPerTurn: 3000 },
    ],
    ['workers', { ...dense, pages: 20, options: { workers: 2 } }],
  ];

  it.for(scenarios)(
    'goes on wherever it is cut before COMMIT, with %s',
    { timeout: 60 * minutes },
    async ([name, scenario], { task }) => {
      const from = await admittedAt(scenario);
      const { delivered } = await simulate(scenario);
      const whole = delivered[0] ?? 0;
      const often = name === 'marks' ? 9 * everyByte : whole / 20;
      const step = nightly ? (name === 'marks' ? 1 : 7) : often;
      const found: string[] = [];
      let cuts = 0;
      let interruptions = 0;
      for (let cut = from; cut <= whole; cut += Math.max(1, Math.min(step, whole / 20))) {
        const outcome = await simulate({ ...scenario, cuts: [Math.floor(cut)] });
        cuts += 1;
        interruptions += outcome.report?.interruptions ?? 0;
        found.push(...faults(outcome).map((what) => `cut at ${cut}: ${what}`));
      }
      const counts = { cutPositions: cuts, interruptions, violations: found.length };
      record(task, { what: `a cut gone on from, with ${name}`, seeds: [scenario.seed], counts });
      expect(found).toEqual([]);
      // The few behind COMMIT are asked about, and gone on from by nobody.
      expect(interruptions).toBeGreaterThan(cuts * 0.6);
    },
  );

  it(
    'goes on from every pair of cuts',
    async ({ task }) => {
      const from = await admittedAt(small);
      const { delivered } = await simulate(small);
      const step = nightly ? 3 : 97;
      const found: string[] = [];
      let pairs = 0;
      for (let first = from; first <= (delivered[0] ?? 0); first += step) {
        const after = await simulate({ ...small, cuts: [first] });
        for (let second = 1; second <= (after.delivered[1] ?? 0); second += step) {
          const outcome = await simulate({ ...small, cuts: [first, second] });
          pairs += 1;
          found.push(...faults(outcome).map((what) => `cut at ${first}, ${second}: ${what}`));
        }
      }
      const counts = { pairs, violations: found.length };
      record(task, { what: 'every pair of cuts', seeds: [small.seed], counts });
      expect(found).toEqual([]);
      expect(pairs).toBeGreaterThan(50);
    },
    60 * minutes,
  );

  it('goes on where a page channel is lost to an older peer, which takes that for a cut', async () => {
    const scenario: Scenario = {
      ...dense,
      pages: 700,
      sparse: true,
      lacks: capability.reroutes,
      options: { connections: 3 },
    };
    const { delivered } = await simulate(scenario);
    for (const connection of [1, 2]) {
      for (let part = 0.05; part < 0.95; part += nightly ? 0.01 : 0.15) {
        const cuts: (number | undefined)[] = [];
        cuts[connection] = Math.floor((delivered[connection] ?? 0) * part);
        const outcome = await simulate({ ...scenario, cuts });
        expect(faults(outcome), `connection ${connection} cut at ${cuts[connection]}`).toEqual([]);
        expect(outcome.report?.interruptions).toBe(1);
      }
    }
  });

  it('sends again no more than was in flight, and says how much that was', async () => {
    const scenario: Scenario = {
      ...dense,
      pages: 400,
      writes: () => 0,
      latencyMs: 2,
      bytesPerTurn: 20_000,
    };
    const whole = await simulate(scenario);
    const outcome = await simulate({ ...scenario, cuts: [(whole.delivered[0] ?? 0) / 2] });
    const again = (outcome.report?.pagesSent ?? 0) - (whole.report?.pagesSent ?? 0);
    const resumed = outcome.events.filter((event) => event.type === 'resumed');
    expect(resumed).toHaveLength(1);
    expect(again).toBeLessThanOrEqual(resumed[0]?.lostPages ?? 0);
    expect(again).toBeGreaterThan(0);
    expect(resumed[0]?.lostPages).toBeLessThan(200);
  });

  it('gives up after its time, the guest running on at the source, and nothing left at the destination', async () => {
    const cut: Scenario = { ...dense, cuts: [3000], staysCut: true };
    const long = await simulate({
      ...cut,
      options: { maxOutageMs: 30_000 },
      destinationOutageMs: 60_000,
      horizonMs: 100_000,
    });
    expect(long).toMatchObject({
      violations: [],
      source: 'running',
      failure: 'ERR_CONNECTION_LOST',
      destinationPhase: 'aborted',
    });
    // The source tries for 30 s, the destination waits for 60.
    expect(long.virtualMs).toBeGreaterThan(60_000);
    for (const options of [{ maxOutageMs: 0 }, { maxReconnects: 2 }]) {
      const outcome = await simulate({ ...cut, options });
      expect(outcome).toMatchObject({
        violations: [],
        source: 'running',
        failure: 'ERR_CONNECTION_LOST',
      });
    }
  });

  it('gives up a link that comes back again and again and carries nothing', async () => {
    const start = await admittedAt(dense);
    const outcome = await simulate({
      ...dense,
      cuts: [start + 200, ...Array.from({ length: 1000 }, () => 400)],
      options: { maxOutageMs: 5000 },
    });
    expect(outcome).toMatchObject({
      violations: [],
      source: 'running',
      failure: 'ERR_CONNECTION_LOST',
    });
    expect(outcome.virtualMs).toBeLessThan(20_000);
    expect(outcome.delivered.length).toBeGreaterThan(3);
  });

  it('does not go on with a source that speaks against the protocol', async () => {
    const outcome = await simulate({
      ...dense,
      forge: (frame) => {
        // A gap in the numbers, checks and all: no accident of a link.
        const header = readHeader(frame);
        sealFrame(frame, {
          ...header,
          flags: header.flags & ~frameFlag.noChecksum,
          seq: header.seq + 5,
        });
        return frame;
      },
    });
    expect(outcome).toMatchObject({ violations: [], source: 'running', failure: 'ERR_ABORTED' });
    expect(outcome.delivered).toHaveLength(2);
  });
});
