import type { ClaimState } from '../../src/lease/claim.js';
import type { OwnerRecord } from '../../src/lease/owner-record.js';
import type { LeaseView, Swap, SwapOutcome } from '../../src/lease/swap.js';
import type { PrimaryState } from '../../src/replication/primary.js';
import { begun, type StandbyState } from '../../src/replication/standby.js';

/** A change on its way to the engine: what it is for, and of which try an answer is expected. */
export interface Asking {
  readonly claim: ClaimState;
  readonly attempt: number;
  /** When this try left; undefined: it has not. */
  readonly sentAt: number | undefined;
}

export type Role =
  | { readonly is: 'down' }
  | {
      readonly is: 'primary';
      readonly state: PrimaryState;
      readonly asking?: Omit<Asking, 'claim'>;
    }
  /** Its guest is paused, and COMMIT has left. */
  | { readonly is: 'handing'; readonly state: PrimaryState; readonly asking?: Asking }
  | {
      readonly is: 'standby';
      readonly state: StandbyState;
      readonly view?: LeaseView;
      /** A takeover, or the claim of what COMMIT handed over; with the epoch it goes on from. */
      readonly asking?: Asking & { readonly epoch: number };
    };

/** A place for a process. */
export interface Seat {
  readonly name: string;
  readonly life: number;
  readonly role: Role;
  /** What its fence has where it outlives the process. */
  readonly highest: bigint;
}

export type Message =
  | {
      readonly kind: 'epoch' | 'join';
      readonly to: string;
      readonly from: string;
      readonly token: bigint;
      readonly number: number;
      readonly sentAt: number;
    }
  | {
      readonly kind: 'acknowledged' | 'joined';
      readonly to: string;
      readonly member: string;
      readonly token: bigint;
      readonly number: number;
      readonly answers: number;
    }
  | {
      readonly kind: 'commit';
      readonly to: string;
      readonly record: OwnerRecord;
      readonly revision: bigint;
      readonly number: number;
    }
  | { readonly kind: 'output'; readonly token: bigint; readonly number: number }
  /** To the engine, and from it. */
  | { readonly kind: 'swap'; readonly from: string; readonly attempt: number; readonly swap: Swap }
  | {
      readonly kind: 'outcome';
      readonly to: string;
      readonly attempt: number;
      readonly outcome: SwapOutcome;
    }
  | {
      readonly kind: 'renew';
      readonly from: string;
      readonly token: bigint;
      readonly sentAt: number;
    }
  | {
      readonly kind: 'renewed';
      readonly to: string;
      readonly token: bigint;
      readonly sentAt: number;
    };

export interface Engine {
  readonly revision: bigint;
  readonly record: OwnerRecord;
  readonly aliveUntil: number;
}

/** Who receives outputs. */
export interface Outside {
  readonly highest: bigint;
  readonly saved: bigint;
}

/** What may still happen, how often. */
export interface Budget {
  readonly ticks: number;
  readonly cuts: number;
  readonly renewals: number;
  readonly drops: number;
  readonly crashes: number;
  readonly restarts: number;
  readonly handovers: number;
  readonly unanswered: number;
  readonly forgets: number;
  readonly revivals: number;
  readonly joins: number;
}

/** Whatever is not said cannot happen. */
export const nothing: Budget = {
  ticks: 0,
  cuts: 0,
  renewals: 0,
  drops: 0,
  crashes: 0,
  restarts: 0,
  handovers: 0,
  unanswered: 0,
  forgets: 0,
  revivals: 0,
  joins: 0,
};

/** What happened that an invariant is about, which nobody in the world sees. */
export interface History {
  /** Of each token that ran: by whom, and from which epoch on. */
  readonly ran: readonly {
    readonly token: bigint;
    readonly member: string;
    readonly from: number;
  }[];
  /** Outputs that were accepted: the highest of each token. */
  readonly accepted: readonly { readonly token: bigint; readonly number: number }[];
  readonly wrong: string | undefined;
}

export interface World {
  readonly now: number;
  readonly engine: Engine;
  readonly seats: readonly Seat[];
  readonly net: readonly Message[];
  readonly outside: Outside;
  readonly budget: Budget;
  readonly history: History;
}

/** Ticks that a lease, and a promise, lasts. */
export const lasts = 2;

export function memberOf({ name, life }: Pick<Seat, 'name' | 'life'>): string {
  return `${name}#${life}`;
}

/** `names`: the first one owns the guest, and all others have a copy and are in sync, but those in `apart`. */
export function beginning(
  names: readonly string[],
  budget: Budget,
  lead: (
    record: OwnerRecord,
    revision: bigint,
    epoch: number,
    holding: { token: bigint; until: number },
  ) => PrimaryState,
  apart: readonly string[] = [],
): World {
  const inSync = names.filter((name) => !apart.includes(name)).map((name) => `${name}#1`);
  const owner = inSync[0] as string;
  const record = { owner, generation: 1n, inSync, claim: 'first' };
  const state = lead(record, 1n, 0, { token: 1n, until: 0.9 * lasts });
  return {
    now: 0,
    engine: { revision: 1n, record, aliveUntil: lasts },
    seats: names.map((name, at): Seat => {
      const seat = { name, life: 1, highest: 1n };
      if (at === 0) return { ...seat, role: { is: 'primary', state } };
      const copy = apart.includes(name) ? undefined : { token: 1n, epoch: 0 };
      const standby = { ...begun(`${name}#1`, 1n), copy };
      return { ...seat, role: { is: 'standby', state: standby } };
    }),
    net: [],
    outside: { highest: 0n, saved: 0n },
    budget,
    history: { ran: [{ token: 1n, member: owner, from: 0 }], accepted: [], wrong: undefined },
  };
}

export function viewOf({ now, engine }: World): LeaseView {
  const { revision, record, aliveUntil } = engine;
  return { revision, record, alive: now < aliveUntil ? record.generation : undefined };
}

export function withSeat(world: World, seat: Seat): World {
  return { ...world, seats: world.seats.map((each) => (each.name === seat.name ? seat : each)) };
}

/** Nothing is said twice while it is on its way. */
export function said(world: World, ...messages: readonly Message[]): World {
  const known = new Set(world.net.map(keyOf));
  const fresh = messages.filter((message) => !known.has(keyOf(message)));
  return fresh.length === 0 ? world : { ...world, net: [...world.net, ...fresh] };
}

export function spent(world: World, what: keyof Budget): World {
  return { ...world, budget: { ...world.budget, [what]: world.budget[what] - 1 } };
}

export function keyOf(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}n` : each));
}

/** The same for worlds that are the same: what is on its way has no order. */
export function worldKey(world: World): string {
  return keyOf({ ...world, net: world.net.map(keyOf).sort() });
}
