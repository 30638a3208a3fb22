import { hash } from 'node:crypto';
import type { Machines } from './machines.js';
import { type Move, movesOf } from './moves.js';
import { lasts, nothing, type World, worldKey } from './world.js';

export interface Exploration {
  readonly states: number;
  readonly moves: number;
  /** Everything that happens in any of them, in words: nothing was explored of what is not in it. */
  readonly happened: ReadonlySet<string>;
  /** The first thing that went wrong, and how it came to that; undefined: nothing can. */
  readonly wrong: { readonly what: string; readonly trace: readonly string[] } | undefined;
}

/** Visits every world that can come of `first`, breadth first: the trace of what goes wrong is one of the shortest. RangeError beyond `most` worlds. */
export function explore(
  first: World,
  machines: Machines,
  most: number,
  check?: Check,
): Exploration {
  const cameBy = new Map<string, { readonly from: string; readonly what: string }>();
  let frontier: World[] = [first];
  let moves = 0;
  const happened = new Set<string>();
  const start = shortKey(first);
  cameBy.set(start, { from: '', what: '' });
  const found = (key: string, what: string): Exploration => {
    const trace: string[] = [];
    for (let at = cameBy.get(key); at !== undefined && at.from !== ''; at = cameBy.get(at.from)) {
      trace.unshift(at.what);
    }
    return { states: cameBy.size, moves, happened, wrong: { what, trace } };
  };
  let visited = 0;
  while (frontier.length > 0) {
    const next: World[] = [];
    for (const world of frontier) {
      const key = shortKey(world);
      for (const move of movesOf(world, machines)) {
        moves += 1;
        const to = shortKey(move.next);
        if (cameBy.has(to)) continue;
        cameBy.set(to, { from: key, what: move.what });
        if (cameBy.size > most) throw new RangeError(`more than ${most} worlds`);
        note(move, happened);
        const wrong = move.next.history.wrong ?? overlap(move.next, machines);
        if (wrong !== undefined) return found(to, wrong);
        next.push(move.next);
      }
      visited += 1;
      const stuck = check?.(world, visited);
      if (stuck !== undefined) return found(key, stuck);
    }
    frontier = next;
  }
  return { states: cameBy.size, moves, happened, wrong: undefined };
}

function note({ what, next }: Move, happened: Set<string>): void {
  happened.add(what);
  for (const { token } of next.history.ran) happened.add(`${token} ran`);
  for (const { token } of next.history.accepted) happened.add(`output of ${token} accepted`);
}

/** Clocks agree here: two whose leases or promises last at once is one too many. */
function overlap({ seats, now }: World, machines: Machines): string | undefined {
  const acting = seats.filter(
    ({ role }) =>
      role.is === 'primary' &&
      !role.state.isFenced &&
      machines.mayAct(machines.standing(role.state, lasts), now),
  );
  return acting.length > 1 ? 'two may act at once' : undefined;
}

/** Millions of worlds are told apart by 22 characters each. */
function shortKey(world: World): string {
  return hash('sha256', worldKey(world), 'base64').slice(0, 22);
}

/** What is wrong with a world, if anything; told how many were visited. */
export type Check = (world: World, visited: number) => string | undefined;

/** Nothing breaks any more, and everything gets as much time and as many tries as it wants: whether somebody runs the guest in the end, where anybody can. */
export function someoneRuns(machines: Machines, every: number): Check {
  return (world, visited) => {
    if (visited % every !== 0) return undefined;
    return recovers(world, machines) ? undefined : 'nobody runs the guest any more';
  };
}

const mostSteps = 300;

function recovers(first: World, machines: Machines): boolean {
  let world: World = calmed(first);
  if (!anyoneCould(world)) return true;
  const seen = new Set<string>();
  for (let step = 0; step < mostSteps; step += 1) {
    if (isRun(world, machines)) return true;
    const moves = movesOf(world, machines);
    const next = chosen(moves, seen);
    if (next === undefined) return false;
    world = next;
    seen.add(worldKey(world));
  }
  return false;
}

/** Nothing is lost, nobody dies, and nobody starts anything but what is needed. */
const calm: World['budget'] = { ...nothing, ticks: 1, renewals: 1, revivals: 1, joins: 1 };

/** Whatever can be done is done before time passes; nothing is done twice. */
function chosen(moves: readonly Move[], seen: ReadonlySet<string>): World | undefined {
  const rank = ({ what }: Move): number => (what === 'time passes' ? 1 : 0);
  return [...moves]
    .sort((one, other) => rank(one) - rank(other))
    .map(({ next }) => calmed(next))
    .find((next) => !seen.has(worldKey(next)));
}

function calmed(world: World): World {
  return { ...world, budget: calm };
}

function isRun({ seats, now }: World, machines: Machines): boolean {
  return seats.some(
    ({ role }) =>
      role.is === 'primary' && !role.state.isFenced && machines.mayAct(role.state.holding, now),
  );
}

/** Somebody is up who owns the guest, or has a copy of it and is in sync; or a copy is on its way to somebody. */
function anyoneCould({ seats, engine, net }: World): boolean {
  const { record } = engine;
  // Whoever is being dropped may be dropped after all.
  const isDropping = net.some(
    (message) =>
      message.kind === 'swap' && message.swap.record.inSync.length < record.inSync.length,
  );
  if (isDropping) return false;
  return seats.some(({ name, life, role }) => {
    const member = `${name}#${life}`;
    if (role.is === 'primary') return record.owner === member && !role.state.isFenced;
    // Whoever took it over and died has what the source has not: the source does not go on by itself.
    if (role.is === 'handing') {
      return record.owner === member || role.state.revision === engine.revision;
    }
    if (role.is !== 'standby') return false;
    if (role.asking?.claim.swap.expected === engine.revision) return true;
    if (net.some((message) => message.kind === 'commit' && message.to === name)) return true;
    return record.inSync.includes(member) && role.state.copy !== undefined;
  });
}
