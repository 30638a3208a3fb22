import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import {
  actOf,
  beginClaim,
  type ClaimEvent,
  type ClaimState,
  stepClaim,
} from '../../src/lease/claim.js';
import { handedOver, type OwnerRecord } from '../../src/lease/owner-record.js';
import type { LeaseView, Swap } from '../../src/lease/swap.js';
import { noProgress } from '../../src/migration/convergence.js';
import { stepDestination } from '../../src/migration/destination-machine.js';
import {
  type DestinationEvent,
  type DestinationState,
  standingOf,
} from '../../src/migration/destination-states.js';
import { ownerOf } from '../../src/migration/source-lease.js';
import { stepSource } from '../../src/migration/source-machine.js';
import type { SourceEvent, SourcePlan, SourceState } from '../../src/migration/source-states.js';
import type { Message } from '../../src/protocol/messages.js';
import { claimOf, recordOf } from '../lease/records.js';

const digest = new Uint8Array(32).fill(7);
const error = new FerryError('ERR_CONNECTION_LOST', 'for the test');
const prepare = { type: 'PREPARE', generation: 1, finalSeqs: [3], digest } as const;
const running = {
  type: 'RUNNING',
  digest,
  verifyMs: 0,
  loadMs: 0,
  acquireMs: 0,
  resumeMs: 0,
} as const;

type Side = 'source' | 'destination';
const sides = ['source', 'destination'] as const;
const members = { source: 's#1', destination: 'd#1' } as const;
const first: OwnerRecord = recordOf(members.source);

interface Claiming {
  readonly state: ClaimState;
  /** What was asked has left; its answer, once there is one. Without one it may be lost. */
  readonly answer: ClaimEvent | 'none' | undefined;
  readonly handedBack: boolean;
}

/** Both ends from READY on, the engine between them, and what can still go wrong. */
interface World {
  readonly source: SourceState;
  readonly destination: DestinationState | 'dead';
  /** Whose instructions run. */
  readonly runs: { readonly [side in Side]: boolean };
  readonly engine: { readonly revision: bigint; readonly record: OwnerRecord };
  readonly claims: { readonly [side in Side]?: Claiming };
  /** On their way to the engine: each may arrive at any time, also when nobody waits for it any more. */
  readonly swaps: readonly {
    readonly from: Side;
    readonly swap: Swap;
    readonly isAwaited: boolean;
  }[];
  readonly toSource: readonly Message[];
  readonly toDestination: readonly Message[];
  readonly link: { readonly [side in Side]: boolean };
  readonly isAsking: boolean;
  readonly starts: boolean;
  /** The source could not ask in time how it ended. */
  readonly gaveUp: boolean;
  readonly claimsMade: number;
  readonly faults: number;
}

const plan: SourcePlan = {
  offer: {
    type: 'OFFER',
    ...{ pageSize: 4096, secret: new Uint8Array(192), handsOver: true },
    ...{ maxStateBytes: 1024, maxDowntimeMs: 50, regions: [] },
    identity: { kind: 'buffer', version: '', features: [] },
  },
  limits: {
    ...{ motion: 'pausable', maxDowntimeMs: 50, settle: 'first', onStall: 'cancel' },
    ...{ stallRounds: 5, stallMs: 1000, maxRetreats: 3 },
  },
  generation: () => 1,
  lease: { covers: () => true, revision: () => 1n },
};

function begun(faults: number): World {
  return {
    source: {
      ...{ phase: 'preparing', progress: noProgress, forced: false },
      ...{ digest, finalSeqs: [3], repairs: 0 },
    },
    destination: { phase: 'ready', prepare, connected: true },
    runs: { source: false, destination: false },
    engine: { revision: 1n, record: first },
    ...{ claims: {}, swaps: [], toDestination: [], isAsking: false, starts: false, gaveUp: false },
    toSource: [{ type: 'READY', digest }],
    link: { source: true, destination: true },
    ...{ claimsMade: 0, faults },
  };
}

const viewOf = ({ engine }: World): LeaseView => ({ ...engine, alive: engine.record.generation });

function withClaim(
  world: World,
  side: Side,
  expected: bigint,
  before: OwnerRecord,
  handedBack: boolean,
): World {
  const claimsMade = world.claimsMade + 1;
  const record = handedOver(before, members[side], claimOf(claimsMade));
  const state = beginClaim({ expected, record, unlessAlive: false });
  const claims = { ...world.claims, [side]: { state, answer: undefined, handedBack } };
  return { ...world, claims, claimsMade };
}

function fedSource(world: World, event: SourceEvent): World {
  let step: ReturnType<typeof stepSource>;
  try {
    step = stepSource(world.source, event, plan);
  } catch (thrown) {
    return fedSource(world, { type: 'broken', error: thrown as FerryError });
  }
  let next: World = { ...world, source: step.state };
  for (const effect of step.effects) {
    if (effect.do === 'send' && next.link.source && next.link.destination) {
      next = { ...next, toDestination: [...next.toDestination, effect.message] };
    } else if (effect.do === 'resume') {
      // Before COMMIT it goes on only with its lease: who finds that it is another's by then stands still.
      if (next.engine.record.owner === 'x#1') return fedSource(next, { type: 'fenced', error });
      expect(next.engine.record.owner).toBe(members.source);
      next = { ...next, runs: { ...next.runs, source: true } };
    } else if (effect.do === 'halt') {
      next = { ...next, runs: { ...next.runs, source: false } };
    } else if (effect.do === 'reclaim') {
      next = withClaim(next, 'source', 1n, first, effect.handedBack);
    } else if (effect.do === 'ask') {
      next = { ...next, isAsking: true };
    } else if (effect.do === 'close') {
      next = { ...next, link: { ...next.link, source: false }, toSource: [] };
    }
  }
  return next;
}

function fedDestination(world: World, event: DestinationEvent): World {
  if (world.destination === 'dead') return world;
  let step: ReturnType<typeof stepDestination>;
  try {
    step = stepDestination(world.destination, event);
  } catch (thrown) {
    return fedDestination(world, { type: 'broken', error: thrown as FerryError });
  }
  let next: World = { ...world, destination: step.state };
  for (const effect of step.effects) {
    if (effect.do === 'send' && next.link.source && next.link.destination) {
      next = { ...next, toSource: [...next.toSource, effect.message] };
    } else if (effect.do === 'claim') {
      expect(effect.revision).toBe(1n);
      next = withClaim(next, 'destination', 1n, first, false);
    } else if (effect.do === 'start') {
      expect(next.engine.record.owner).toBe(members.destination);
      next = { ...next, starts: true };
    } else if (effect.do === 'close') {
      next = { ...next, link: { ...next.link, destination: false } };
    }
  }
  return next;
}

/** What was answered to a claim, and what follows from it. */
function told(world: World, side: Side, claiming: Claiming, event: ClaimEvent): World {
  const state = stepClaim(claiming.state, event);
  if (state.phase !== 'won' && state.phase !== 'lost') {
    return {
      ...world,
      claims: { ...world.claims, [side]: { ...claiming, state, answer: undefined } },
    };
  }
  const { [side]: _, ...claims } = world.claims;
  const decided: World = { ...world, claims };
  if (side === 'destination') {
    const event =
      state.phase === 'won'
        ? ({ type: 'claimed' } as const)
        : ({ type: 'not-claimed', error: new FerryError('ERR_FENCED', '') } as const);
    return fedDestination(decided, event);
  }
  if (state.phase === 'won') return fedSource(decided, { type: 'reclaimed', by: 'us' });
  const { record, revision } = state.view;
  const { handedBack } = claiming;
  const by = ownerOf(record, members.source, {
    member: members.destination,
    token: 2n,
    handedBack,
  });
  if (by !== 'us' || record === undefined) return fedSource(decided, { type: 'reclaimed', by });
  return withClaim(decided, 'source', revision, record, handedBack);
}

interface Move {
  readonly next: World;
  readonly isFault: boolean;
}

function movesOf(world: World): Move[] {
  const moves: Move[] = [];
  const may = (next: World): void => void moves.push({ next, isFault: false });
  const fault = (next: World): void => {
    if (world.faults > 0)
      moves.push({ next: { ...next, faults: world.faults - 1 }, isFault: true });
  };
  const { toSource, toDestination, link, destination, source } = world;
  const isUp = link.source && link.destination;
  const [answer, ...answers] = toSource;
  if (link.source && answer !== undefined) {
    may(fedSource({ ...world, toSource: answers }, { type: 'message', message: answer }));
  }
  const [said, ...rest] = toDestination;
  if (link.destination && said !== undefined) {
    const event = { type: 'message', message: said } as const;
    may(fedDestination({ ...world, toDestination: rest }, event));
  }
  // Cut: what was on its way is lost, and each end notices when it does.
  if (isUp) {
    const cut = { ...world, toSource: [], toDestination: [] };
    fault(
      fedSource({ ...cut, link: { source: false, destination: true } }, { type: 'closed', error }),
    );
    fault(
      fedDestination(
        { ...cut, link: { source: true, destination: false } },
        { type: 'closed', error },
      ),
    );
  } else {
    // What one end said before it let go still arrives.
    if (link.source && answer === undefined) {
      may(fedSource({ ...world, link: { ...link, source: false } }, { type: 'closed', error }));
    }
    if (link.destination && said === undefined) {
      may(
        fedDestination(
          { ...world, link: { ...link, destination: false } },
          { type: 'closed', error },
        ),
      );
    }
  }
  if (world.isAsking && source.phase === 'in-doubt') {
    const open: World = {
      ...world,
      isAsking: false,
      link: { source: true, destination: true },
      toDestination: [],
    };
    const standing = destination === 'dead' ? 'unknown' : standingOf(destination);
    const ack = {
      type: 'HELLO_ACK',
      version: 1,
      standing,
      capabilities: 0,
      lastAppliedSeq: 0,
    } as const;
    const greeted = fedSource({ ...open, toSource: [ack] }, { type: 'reconnected' });
    may(fedDestination(greeted, { type: 'asked' }));
    may(fedSource({ ...world, gaveUp: true }, { type: 'gave-up-waiting' }));
  }
  if (source.phase === 'reconnecting') may(fedSource(world, { type: 'gave-up-waiting' }));
  if (world.starts) {
    const started = { ...world, starts: false };
    may(
      fedDestination(
        { ...started, runs: { ...world.runs, destination: true } },
        { type: 'started', running },
      ),
    );
    fault(
      fedDestination(started, { type: 'start-failed', error: new FerryError('ERR_GUEST', '') }),
    );
  }
  if (destination !== 'dead') {
    const { destination: _, ...claims } = world.claims;
    const runs = { ...world.runs, destination: false };
    fault({
      ...world,
      destination: 'dead',
      claims,
      runs,
      starts: false,
      link: { ...link, destination: false },
      toDestination: [],
    });
  }
  // Somebody in sync takes over from a source whose lease ran out in the pause.
  if (world.engine.revision === 1n && !world.runs.source) {
    const record = { ...recordOf('x#1', 2n), claim: claimOf(99) };
    fault({ ...world, engine: { revision: 2n, record } });
  }
  for (const side of sides) {
    const claiming = world.claims[side];
    if (claiming === undefined) continue;
    const withAnswer = (answer: Claiming['answer']): World => ({
      ...world,
      claims: { ...world.claims, [side]: { ...claiming, answer } },
    });
    if (claiming.answer === undefined) {
      const act = actOf(claiming.state);
      if (act === 'swap') {
        const asked = withAnswer('none');
        may({
          ...asked,
          swaps: [...world.swaps, { from: side, swap: claiming.state.swap, isAwaited: true }],
        });
      }
      if (act === 'read') may(told(world, side, claiming, { type: 'read', view: viewOf(world) }));
    } else if (claiming.answer === 'none') {
      // No answer in time; what was asked may happen yet, or has happened.
      const given = world.swaps.map((each) =>
        each.from === side ? { ...each, isAwaited: false } : each,
      );
      fault(told({ ...world, swaps: given }, side, claiming, { type: 'unanswered' }));
    } else may(told(world, side, claiming, claiming.answer));
  }
  for (const [at, { from, swap, isAwaited }] of world.swaps.entries()) {
    const swaps = world.swaps.filter((_, index) => index !== at);
    const isExpected = world.engine.revision === swap.expected;
    const revision = world.engine.revision + 1n;
    const engine = isExpected ? { revision, record: swap.record } : world.engine;
    const after: World = { ...world, swaps, engine };
    const outcome = isExpected
      ? ({ type: 'won', revision } as const)
      : ({ type: 'lost', view: viewOf(after) } as const);
    const claiming = world.claims[from];
    const isHeard = isAwaited && claiming?.answer === 'none';
    const claims = isHeard
      ? { ...world.claims, [from]: { ...claiming, answer: { type: 'answered', outcome } as const } }
      : world.claims;
    may({ ...after, claims });
    // One that nobody waits for need not arrive at all.
    if (!isAwaited) may({ ...world, swaps });
  }
  return moves;
}

/** The guest is where its owner is, as far as that is alive and said so; and nowhere else. */
function isWell({ source, destination, runs, engine, gaveUp }: World): boolean {
  if (source.phase !== 'failed' && source.phase !== 'completed') return false;
  const { owner } = engine.record;
  if (owner === members.source) return runs.source && !runs.destination;
  if (runs.source) return false;
  if (owner === members.destination) {
    if (destination === 'dead' || runs.destination) return true;
    // Both went wrong at once: the source keeps its image, and an operator has to say that it is the last one.
    return destination.phase === 'start-failed' && gaveUp;
  }
  return !runs.destination;
}

const keyOf = (world: World): string =>
  JSON.stringify(world, (_, value) => {
    if (typeof value === 'bigint') return `${value}`;
    if (value instanceof Error) return (value as FerryError).code;
    return value instanceof Uint8Array ? 'bytes' : value;
  });

/** Every world that can come of READY with so many faults, and from which of them all can end well without another. */
function explore(faults: number): {
  readonly worlds: readonly World[];
  readonly stuck: readonly World[];
} {
  const worlds: World[] = [begun(faults)];
  const at = new Map([[keyOf(worlds[0] as World), 0]]);
  const before: number[][] = [[]];
  for (let index = 0; index < worlds.length; index++) {
    for (const { next, isFault } of movesOf(worlds[index] as World)) {
      const key = keyOf(next);
      let found = at.get(key);
      if (found === undefined) {
        found = worlds.push(next) - 1;
        at.set(key, found);
        before.push([]);
      }
      if (!isFault) before[found]?.push(index);
    }
  }
  const fine = new Set<number>();
  const open = worlds.flatMap((world, index) => (isWell(world) ? [index] : []));
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (fine.has(index)) continue;
    fine.add(index);
    open.push(...(before[index] ?? []));
  }
  return { worlds, stuck: worlds.filter((_, index) => !fine.has(index)) };
}

describe('a switchover that is one claim', () => {
  const { worlds, stuck } = explore(4);

  it('is explored in many worlds, in which each end wins', () => {
    const owners = new Set(worlds.map(({ engine }) => engine.record.owner));
    expect(owners).toEqual(new Set(['s#1', 'd#1', 'x#1']));
    expect(worlds.length).toBeGreaterThan(10_000);
  });

  it('never lets the guest run at both ends', () => {
    expect(worlds.filter(({ runs }) => runs.source && runs.destination)).toEqual([]);
  });

  it('lets a guest run only for whom the record names, whatever happens later', () => {
    // Owners change by a claim only: whoever runs is never overtaken by one that was still on its way.
    for (const { runs, engine } of worlds) {
      if (runs.source) expect(engine.record.owner).toBe(members.source);
      if (runs.destination) expect(engine.record.owner).toBe(members.destination);
    }
  });

  it('ends well from everywhere, once nothing more breaks: nobody loses the guest', () => {
    expect(stuck.slice(0, 1)).toEqual([]);
  });
});
