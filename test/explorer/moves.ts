import type { ClaimEvent } from '../../src/lease/claim.js';
import type { Machines } from './machines.js';
import {
  type Asking,
  lasts,
  type Message,
  memberOf,
  type Role,
  type Seat,
  said,
  spent,
  viewOf,
  type World,
  withSeat,
} from './world.js';

export interface Move {
  readonly what: string;
  readonly next: World;
}

/** Everything that can happen next. */
export function movesOf(world: World, machines: Machines): Move[] {
  const moves: Move[] = [];
  const add = (what: string, next: World | undefined): void => {
    if (next !== undefined) moves.push({ what, next: withoutGarbage(next) });
  };
  for (const [at, message] of world.net.entries()) {
    const rest = { ...world, net: world.net.filter((_, index) => index !== at) };
    add(`${message.kind} arrives`, arrive(rest, message, machines));
  }
  for (const seat of world.seats) {
    for (const { what, next } of seatMoves(world, seat, machines))
      add(`${seat.name} ${what}`, next);
  }
  const { budget, now, outside } = world;
  if (budget.forgets > 0) {
    const highest = machines.persists ? outside.saved : 0n;
    add('outside restarts', { ...spent(world, 'forgets'), outside: { ...outside, highest } });
  }
  if (budget.ticks > 0) add('time passes', { ...spent(world, 'ticks'), now: now + 1 });
  return moves;
}

function seatMoves(world: World, seat: Seat, machines: Machines): Move[] {
  const { role } = seat;
  const { budget } = world;
  const moves: Move[] = [];
  const add = (what: string, next: World): void => void moves.push({ what, next });
  if (role.is === 'down') {
    if (budget.restarts > 0) add('starts anew', restart(world, seat, machines));
    return moves;
  }
  if (budget.crashes > 0) {
    add('crashes', withSeat(spent(world, 'crashes'), { ...seat, role: { is: 'down' } }));
  }
  moves.push(...askingMoves(world, seat, machines));
  if (role.is === 'primary') moves.push(...primaryMoves(world, seat, role, machines));
  if (role.is === 'handing' && role.asking === undefined) {
    const { record, revision } = role.state;
    const claim = machines.beginClaim({
      expected: revision,
      record: machines.claimed(record, memberOf(seat), `reclaim ${memberOf(seat)}`),
      unlessAlive: false,
    });
    add(
      'reclaims',
      withRole(world, seat, { ...role, asking: { claim, attempt: 0, sentAt: undefined } }),
    );
  }
  if (role.is === 'standby') moves.push(...standbyMoves(world, seat, role, machines));
  return moves;
}

function primaryMoves(
  world: World,
  seat: Seat,
  role: Extract<Role, { is: 'primary' }>,
  machines: Machines,
): Move[] {
  const { state } = role;
  const { budget, now } = world;
  const moves: Move[] = [];
  const token = state.record.generation;
  const member = memberOf(seat);
  if (state.isFenced) return moves;
  const runs = machines.mayAct(machines.standing(state, lasts), now);
  if (runs && budget.cuts > 0) {
    const cut = machines.cut(state);
    const epochs = cut.followers.map(
      (follower): Message => ({
        ...{ kind: 'epoch', to: seatName(follower.member), from: member },
        ...{ token, number: cut.epoch, sentAt: now },
      }),
    );
    moves.push({
      what: 'cuts an epoch',
      next: said(withRole(spent(world, 'cuts'), seat, { ...role, state: cut }), ...epochs),
    });
  }
  const leaves = machines.releasable(state, now, lasts);
  if (leaves > state.released) {
    const output: Message = { kind: 'output', token, number: leaves };
    const released = { ...role, state: machines.release(state, leaves) };
    moves.push({ what: 'lets output go', next: said(withRole(world, seat, released), output) });
  }
  if (budget.renewals > 0) {
    const renew: Message = { kind: 'renew', from: seat.name, token, sentAt: now };
    moves.push({ what: 'renews', next: said(spent(world, 'renewals'), renew) });
  }
  if (state.change !== undefined) return moves;
  if (budget.revivals > 0 && !machines.mayAct(state.holding, now)) {
    const asking = { attempt: 0, sentAt: undefined };
    const revived = { ...role, state: machines.revive(state), asking };
    moves.push({
      what: 'wants its lease back',
      next: withRole(spent(world, 'revivals'), seat, revived),
    });
  }
  if (budget.drops > 0) {
    for (const { member: other } of state.followers) {
      const dropped = withRole(spent(world, 'drops'), seat, {
        ...role,
        state: machines.drop(state, other),
        asking: { attempt: 0, sentAt: undefined },
      });
      moves.push({ what: `drops ${other}`, next: dropped });
    }
  }
  for (const other of world.seats) {
    if (other.role.is !== 'standby') continue;
    const to = other.name;
    if (budget.joins > 0 && runs && other.role.state.copy?.token !== token) {
      const join: Message = {
        kind: 'join',
        to,
        from: member,
        token,
        number: state.epoch,
        sentAt: now,
      };
      const next = said(spent(world, 'joins'), join);
      moves.push({ what: `sends its copy to ${to}`, next });
    }
    if (budget.handovers > 0 && runs) {
      const { record, revision, epoch } = state;
      const commit: Message = { kind: 'commit', to, record, revision, number: epoch };
      const handing = withRole(spent(world, 'handovers'), seat, { is: 'handing', state });
      moves.push({ what: `hands over to ${to}`, next: said(handing, commit) });
    }
  }
  return moves;
}

function standbyMoves(
  world: World,
  seat: Seat,
  role: Extract<Role, { is: 'standby' }>,
  machines: Machines,
): Move[] {
  const moves: Move[] = [];
  if (role.asking !== undefined) return moves;
  const view = viewOf(world);
  const { state } = role;
  const isNews = role.view?.revision !== view.revision || role.view.alive !== view.alive;
  // Whoever looks and cannot claim is as he was.
  if (isNews && machines.mayClaim(state, view, world.now))
    moves.push({ what: 'looks', next: withRole(world, seat, { ...role, view }) });
  if (role.view !== undefined && machines.mayClaim(state, role.view, world.now)) {
    const nonce = `takeover ${state.member} ${role.view.revision}`;
    const taking = machines.takeover(state, role.view, nonce);
    const epoch = state.copy?.epoch ?? 0;
    const claim = machines.beginClaim(taking.swap);
    const asking = { claim, attempt: 0, sentAt: undefined, epoch };
    const claiming = { ...role, state: taking.state, asking };
    moves.push({ what: 'claims', next: withRole(world, seat, claiming) });
  }
  return moves;
}

/** Of whoever has something on its way to the engine. */
function askingMoves(world: World, seat: Seat, machines: Machines): Move[] {
  const asking = askingOf(seat.role);
  if (asking === undefined) return [];
  const { claim, attempt, sentAt } = asking;
  const act = machines.actOf(claim);
  if (act === 'read') {
    const read = { type: 'read', view: viewOf(world) } as const;
    return [{ what: 'reads', next: step(world, seat, read, machines) }];
  }
  if (act !== 'swap') return [];
  if (sentAt === undefined) {
    const next = { attempt: attempt + 1, sentAt: world.now };
    const swap: Message = {
      kind: 'swap',
      from: memberOf(seat),
      attempt: next.attempt,
      swap: claim.swap,
    };
    return [{ what: 'asks the engine', next: said(withAsking(world, seat, next), swap) }];
  }
  if (world.budget.unanswered === 0) return [];
  const waited = step(spent(world, 'unanswered'), seat, { type: 'unanswered' }, machines);
  return [{ what: 'waits no longer', next: waited }];
}

function askingOf(role: Role): Asking | undefined {
  if (role.is === 'handing' || role.is === 'standby') return role.asking;
  if (role.is !== 'primary' || role.state.change === undefined) return undefined;
  return { attempt: 0, sentAt: undefined, ...role.asking, claim: role.state.change };
}

function withAsking(world: World, seat: Seat, changed: Partial<Asking>): World {
  const { role } = seat;
  if (role.is === 'down') return world;
  const asking = { ...role.asking, ...changed };
  return withRole(world, seat, { ...role, asking } as Role);
}

/** Tells a seat's claim, or its change, what happened. */
function step(world: World, seat: Seat, event: ClaimEvent, machines: Machines): World {
  const { role } = seat;
  if (role.is === 'primary') {
    const told = machines.changed(role.state, event);
    const isTimely = event.type === 'answered' && event.outcome.type === 'won';
    const sentAt = role.asking?.sentAt;
    const state =
      isTimely && sentAt !== undefined
        ? { ...told, holding: machines.renewed(told.holding, sentAt, lasts) }
        : told;
    const isOver = state.change === undefined;
    if (state.isFenced) {
      return withRole(world, seat, { is: 'standby', state: machines.stepDown(state) });
    }
    const { asking, ...rest } = role;
    const again = isOver ? {} : { asking: { attempt: asking?.attempt ?? 0, sentAt: undefined } };
    return withRole(world, seat, { ...rest, state, ...again });
  }
  if (role.is === 'down' || role.asking === undefined) return world;
  const { asking } = role;
  const claim = machines.stepClaim(asking.claim, event);
  if (claim.phase === 'won') {
    const from = role.is === 'standby' ? (role.asking?.epoch ?? 0) : role.state.epoch;
    const { record } = claim.swap;
    const holding = { token: record.generation, until: (asking.sentAt ?? world.now) + 0.9 * lasts };
    // Else it is renewed before anything is done.
    const held = claim.timely ? holding : { ...holding, until: Number.NEGATIVE_INFINITY };
    const state = machines.lead(record, claim.revision, from, held);
    const running = {
      ...seat,
      highest: record.generation,
      role: { is: 'primary', state } as const,
    };
    return ran(withSeat(world, running), record.generation, memberOf(seat), state.epoch);
  }
  if (claim.phase === 'lost') {
    if (role.is === 'handing') return withRole(world, seat, { is: 'down' });
    const { asking: _, ...rest } = role;
    const state = machines.outrun(role.state);
    return withRole(world, seat, { ...rest, state, view: claim.view });
  }
  return withRole(world, seat, {
    ...role,
    asking: { ...asking, claim, sentAt: undefined },
  } as Role);
}

function arrive(world: World, message: Message, machines: Machines): World | undefined {
  switch (message.kind) {
    case 'swap':
      return swapped(world, message, machines);
    case 'renew': {
      const { engine, now } = world;
      const isAlive = now < engine.aliveUntil && engine.record.generation === message.token;
      if (!isAlive) return world;
      const extended = { ...world, engine: { ...engine, aliveUntil: now + lasts } };
      const { from: to, token, sentAt } = message;
      return said(extended, { kind: 'renewed', to, token, sentAt });
    }
    case 'output':
      return accept(world, message, machines);
    default:
      return heard(world, message, machines);
  }
}

function heard(
  world: World,
  message: Extract<Message, { to: string }>,
  machines: Machines,
): World | undefined {
  const name = seatName(message.to);
  const seat = world.seats.find((each) => each.name === name);
  if (seat === undefined || seat.role.is === 'down') return world;
  const { role } = seat;
  const member = memberOf(seat);
  const { now } = world;
  switch (message.kind) {
    case 'outcome': {
      const asking = askingOf(role);
      const isMeant = message.to === member && asking?.attempt === message.attempt;
      if (!isMeant || asking?.sentAt === undefined) return world;
      return step(world, seat, { type: 'answered', outcome: message.outcome }, machines);
    }
    case 'renewed': {
      if (role.is !== 'primary' || role.state.record.generation !== message.token) return world;
      const holding = machines.renewed(role.state.holding, message.sentAt, lasts);
      return withRole(world, seat, { ...role, state: { ...role.state, holding } });
    }
    case 'epoch': {
      if (role.is !== 'standby') return world;
      const { token, number, from, sentAt } = message;
      const reception = machines.receive(role.state, { token, number }, now, lasts);
      if (reception.type !== 'acknowledged') return world;
      const to = seatName(from);
      return said(withRole(world, seat, { ...role, state: reception.state }), {
        ...{ kind: 'acknowledged', to, member, token, number: reception.epoch, answers: sentAt },
      });
    }
    case 'join': {
      if (role.is !== 'standby') return world;
      const { token, number, from, sentAt } = message;
      const state = machines.joined(role.state, { token, number }, now, lasts);
      if (state === undefined) return world;
      const next = withSeat(world, { ...seat, highest: state.highest, role: { ...role, state } });
      const has = state.copy?.epoch ?? 0;
      return said(next, {
        ...{ kind: 'joined', to: seatName(from), member, token, number: has, answers: sentAt },
      });
    }
    case 'acknowledged':
    case 'joined': {
      if (role.is !== 'primary' || role.state.record.generation !== message.token) return world;
      const { state } = role;
      if (message.kind === 'acknowledged') {
        const told = machines.acknowledged(state, message.member, message.number, message.answers);
        return withRole(world, seat, { ...role, state: told });
      }
      const isKnown = state.followers.some((follower) => follower.member === message.member);
      const added = isKnown
        ? machines.acknowledged(state, message.member, message.number, message.answers)
        : machines.add(state, message.member, message.number);
      if (added === state) return world;
      // What was cut since its copy was made it has to be sent as well.
      const missing = Array.from(
        { length: state.epoch - message.number },
        (_, at): Message => ({
          ...{ kind: 'epoch', to: seatName(message.member), from: member, token: message.token },
          ...{ number: message.number + at + 1, sentAt: now },
        }),
      );
      const asking = isKnown ? {} : { asking: { attempt: 0, sentAt: undefined } };
      return said(withRole(world, seat, { ...role, state: added, ...asking }), ...missing);
    }
    case 'commit': {
      if (role.is !== 'standby' || role.asking !== undefined) return world;
      const { record, revision, number } = message;
      if (machines.admission(role.state.highest, record.generation) === 'refuse') return world;
      const claim = machines.beginClaim({
        expected: revision,
        record: machines.handedOver(record, member, `claim ${member} ${revision}`),
        unlessAlive: false,
      });
      const asking = { claim, attempt: 0, sentAt: undefined, epoch: number };
      const state = { ...role.state, isClaiming: true };
      return withRole(world, seat, { ...role, state, asking });
    }
    default:
      return message satisfies never;
  }
}

function swapped(
  world: World,
  { from, attempt, swap }: Extract<Message, { kind: 'swap' }>,
  machines: Machines,
): World {
  const { engine, now } = world;
  const to = from;
  const isExpected = engine.revision === swap.expected || !machines.compares;
  const isFree = !swap.unlessAlive || now >= engine.aliveUntil;
  if (!isExpected || !isFree) {
    return said(world, {
      kind: 'outcome',
      to,
      attempt,
      outcome: { type: 'lost', view: viewOf(world) },
    });
  }
  const { record } = swap;
  const revision = engine.revision + 1n;
  const isClaim = record.generation !== engine.record.generation;
  const aliveUntil = now + lasts;
  const next = { ...world, engine: { revision, record, aliveUntil } };
  const wasInSync = engine.record.inSync.includes(record.owner);
  const told = said(next, { kind: 'outcome', to, attempt, outcome: { type: 'won', revision } });
  if (isClaim && swap.unlessAlive && !wasInSync) return wrong(told, 'claimed outside inSync');
  return told;
}

function accept(
  world: World,
  { token, number }: Extract<Message, { kind: 'output' }>,
  machines: Machines,
): World {
  const { outside, history } = world;
  const what = machines.admission(outside.highest, token);
  if (what === 'refuse') return world;
  const saved = what === 'save first' && machines.persists ? token : outside.saved;
  const { accepted, ran } = history;
  const others = accepted.filter((each) => each.token !== token);
  const before = accepted.find((each) => each.token === token)?.number ?? 0;
  const all = [...others, { token, number: Math.max(before, number) }].sort((one, other) =>
    Number(one.token - other.token),
  );
  const next = {
    ...world,
    outside: { highest: token, saved },
    history: { ...history, accepted: all },
  };
  if (others.some((each) => each.token > token))
    return wrong(next, 'accepted after a higher token');
  if (ran.some((each) => each.token > token && each.from < number)) {
    return wrong(next, 'accepted, and a later owner does not have it');
  }
  return next;
}

/** A member begins to run the guest. */
function ran(world: World, token: bigint, member: string, from: number): World {
  const { history } = world;
  const next = {
    ...world,
    history: { ...history, ran: [...history.ran, { token, member, from }] },
  };
  if (history.ran.some((each) => each.token === token))
    return wrong(next, 'two ran one generation');
  const lost = history.accepted.some((each) => each.token < token && each.number > from);
  return lost ? wrong(next, 'an accepted output is not in the state of the owner') : next;
}

function wrong(world: World, what: string): World {
  return { ...world, history: { ...world.history, wrong: world.history.wrong ?? what } };
}

function restart(world: World, seat: Seat, machines: Machines): World {
  const next = { ...seat, life: seat.life + 1 };
  const state = machines.begun(memberOf(next), seat.highest);
  return withSeat(spent(world, 'restarts'), { ...next, role: { is: 'standby', state } });
}

function withRole(world: World, seat: Seat, role: Role): World {
  return withSeat(world, { ...seat, role });
}

function seatName(member: string): string {
  return member.split('#')[0] ?? '';
}

/** What is on its way and will be heard by nobody says nothing, whenever it arrives. */
function withoutGarbage(world: World): World {
  const net = world.net.filter((message) => !isGarbage(world, message));
  return net.length === world.net.length ? world : { ...world, net };
}

function isGarbage({ seats, engine, outside }: World, message: Message): boolean {
  if (message.kind === 'output') return message.token < outside.saved;
  if (message.kind === 'renew') return message.token !== engine.record.generation;
  if (message.kind === 'swap') return false;
  const seat = seats.find(({ name }) => name === seatName(message.to));
  if (seat === undefined || seat.role.is === 'down') return true;
  const { role } = seat;
  switch (message.kind) {
    case 'outcome': {
      const asking = askingOf(role);
      return message.to !== memberOf(seat) || asking?.attempt !== message.attempt;
    }
    case 'renewed':
    case 'acknowledged':
    case 'joined':
      return role.is !== 'primary' || role.state.record.generation !== message.token;
    case 'epoch':
    case 'join':
      return role.is === 'standby' && message.token < role.state.highest;
    case 'commit':
      return role.is === 'standby' && message.record.generation < role.state.highest;
    default:
      return message satisfies never;
  }
}
