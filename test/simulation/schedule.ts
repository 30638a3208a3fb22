import { createHash } from 'node:crypto';
import { type Random, randomOf } from '../reference/random.js';
import type { Crash, Flip, Outcome, Scenario, Turn } from './scenario.js';

/** Of migrations over one connection. Slow: what was sent before a cut goes on arriving when all goes on already. */
const kinds = ['small', 'small', 'middling', 'middling', 'middling', 'slow'] as const;

/**
 * A migration of any kind, and what befalls it: cuts of any of its connections, old connections that go on delivering, links that fall silent, flipped
 * bits, an end of either process, or of the link in the middle of the switchover. The same for the same seed, 0 to 2^32 - 1.
 */
export function schedule(seed: number): Scenario {
  const random = randomOf(seed);
  const once = (in_: number): boolean => random.below(in_) === 0;
  const connections = once(12) ? 2 + random.below(2) : 1;
  const kind = connections > 1 ? 'wide' : kinds[random.below(kinds.length)];
  const isSlow = kind === 'slow';
  const pages =
    kind === 'wide'
      ? // Each channel has its turn of 256 pages.
        256 * (connections - 1) - 2 + random.below(12)
      : kind === 'small'
        ? 1 + random.below(4)
        : (isSlow ? 12 : 4) + random.below(isSlow ? 28 : 12);
  /** A place in the conversation of one connection. */
  const place = (): number =>
    kind === 'small'
      ? 1 + random.below(3000)
      : 400 + random.below(once(2) ? 2000 : isSlow ? 40_000 : 12_000);
  const tracker = (['marks', 'hash', 'compare'] as const)[random.below(3)] ?? 'marks';
  const moves = connections === 1 && once(3);
  const workers = !moves && once(24) ? 2 : 0;
  const cuts = Array.from({ length: random.below(once(2) ? 3 : 9) }, place);
  return {
    seed,
    pages,
    sparse: connections > 1,
    tracker,
    fresh: once(2),
    ...(once(8) ? { heldOf16: random.below(17) } : {}),
    keeps: once(2),
    stateBytes: random.below(400),
    rehearsable: once(2),
    writeEveryMs: 2 + random.below(6),
    calmAfterMs: 300,
    horizonMs: 15_000,
    ...(once(3) ? { growEveryMs: 4 + random.below(10) } : {}),
    ...(moves ? { moves } : {}),
    ...(once(8) ? { writesPages: true } : {}),
    ...(isSlow || once(3) ? { latencyMs: 0.1 + random.below(30) / 10 } : {}),
    ...(connections > 1 && once(3) ? { pagesLatencyMs: 0.1 + random.below(30) / 10 } : {}),
    ...(isSlow || once(3) ? { lingersMs: 1 + random.below(500) } : {}),
    ...(isSlow || once(3) ? { bytesPerTurn: 500 + random.below(4000) } : {}),
    ...(once(8) ? { loadMs: random.below(80) } : {}),
    cuts,
    ...(once(24) ? { silences: silences(random, place) } : {}),
    ...(once(5) ? { crash: crash(random, place) } : {}),
    ...(once(4) ? { turn: turn(random) } : {}),
    ...(once(4) ? { flips: flips(random, place) } : {}),
    options: {
      connections,
      workers,
      patches: !moves ? 'never' : once(2) ? 'always' : 'auto',
      ...(once(3) ? { compression: 'always' } : {}),
      ...(once(6) ? { checksum: 'never' } : {}),
    },
  };
}

function silences(random: Random, place: () => number): readonly (number | undefined)[] {
  const at: (number | undefined)[] = [];
  at[random.below(3)] = place();
  return at;
}

function crash(random: Random, place: () => number): Crash {
  const side = random.below(2) === 0 ? 'source' : 'destination';
  return {
    side,
    connection: random.below(random.below(4) + 1),
    afterBytes: place(),
    ...(side === 'destination' && random.below(3) > 0 ? { restartMs: random.below(1500) } : {}),
  };
}

function turn(random: Random): Turn {
  const ends = (['link', 'link', 'source', 'destination'] as const)[random.below(4)] ?? 'link';
  return {
    on: (['PREPARE', 'READY', 'COMMIT', 'RUNNING'] as const)[random.below(4)] ?? 'COMMIT',
    moreBytes: random.below(random.below(300) + 1),
    ends,
    ...(ends === 'destination' && random.below(3) > 0 ? { restartMs: random.below(1500) } : {}),
  };
}

function flips(random: Random, place: () => number): readonly Flip[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    connection: random.below(random.below(4) + 1),
    from: random.below(4) === 0 ? 'destination' : 'source',
    byte: place(),
  }));
}

/** Tells schedules apart whose seeds alone differ: 64 bits. */
export function fingerprint({ seed: _, ...scenario }: Scenario): bigint {
  return createHash('sha256').update(JSON.stringify(scenario)).digest().readBigUInt64LE();
}

/** Whether `scenario` does more to a migration than what it can go on from. */
function isHarsh({ silences, crash, turn, flips }: Scenario): boolean {
  return (
    [silences, crash, flips].some((it) => it !== undefined) || (turn?.ends ?? 'link') !== 'link'
  );
}

function isSlow({ latencyMs, bytesPerTurn, loadMs, writesPages }: Scenario): boolean {
  return [latencyMs, bytesPerTurn, loadMs, writesPages].some((slow) => slow !== undefined);
}

/**
 * What is wrong with how `scenario` ended. What it could go on from it must arrive from, unless there was no end of cuts; and no page may have needed the
 * digests to be found, but those that were changed behind the back of both sides.
 */
export function faultsOf(scenario: Scenario, outcome: Outcome): readonly string[] {
  const { violations, report, failure, crashed, sourcePhase } = outcome;
  const faults = [...violations];
  const isOutOfTime =
    failure === 'ERR_CONNECTION_LOST' || (failure === 'ERR_NOT_CONVERGING' && isSlow(scenario));
  if (report === undefined && !isOutOfTime && !isHarsh(scenario))
    faults.push(`ended with ${failure} while ${sourcePhase}`);
  const isDamaged = scenario.flips !== undefined && scenario.options?.checksum === 'never';
  if (report !== undefined && report.repaired > 0 && !isDamaged)
    faults.push(`${report.repaired} pages were repaired`);
  if (
    report === undefined &&
    failure === undefined &&
    crashed === undefined &&
    sourcePhase !== 'in-doubt'
  )
    faults.push(`no end while ${sourcePhase}`);
  return faults;
}
