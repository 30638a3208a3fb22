import { beginClaim, type ClaimEvent, type ClaimState, stepClaim } from '../lease/claim.js';
import { type Holding, mayAct, promised } from '../lease/holding.js';
import { type OwnerRecord, withInSync } from '../lease/owner-record.js';
import { begun, type StandbyState } from './standby.js';

/** What the primary knows of a member in sync, itself left out. */
export interface Follower {
  readonly member: string;
  /** The last epoch it acknowledged. */
  readonly acknowledged: number;
  /** When what it last answered had left here: since then it keeps its promise not to claim. */
  readonly answeredTo: number;
}

/** The owner of a guest, which it runs epoch by epoch. Epochs are numbered from 1 through all generations; outputs belong to the epoch in which they were made. */
export interface PrimaryState {
  readonly record: OwnerRecord;
  /** Of the record. */
  readonly revision: bigint;
  /** The last epoch that was cut. */
  readonly epoch: number;
  /** The last epoch whose outputs may have left. */
  readonly released: number;
  /** Those in sync, and one that is about to be: all are waited for. */
  readonly followers: readonly Follower[];
  readonly holding: Holding;
  /** A change of who is in sync, on its way. */
  readonly change: ClaimState | undefined;
  /** Somebody else owns the guest: nothing leaves here any more, for ever. */
  readonly isFenced: boolean;
}

/** Goes on from `epoch`. What others that are in sync have of it is not known: nothing leaves before they said so, or were dropped. */
export function lead(
  record: OwnerRecord,
  revision: bigint,
  epoch: number,
  holding: Holding,
): PrimaryState {
  const others = record.inSync.filter((member) => member !== record.owner);
  const followers = others.map((member) => ({
    member,
    acknowledged: 0,
    answeredTo: Number.NEGATIVE_INFINITY,
  }));
  return {
    ...{ record, revision, epoch, released: 0, followers, holding },
    change: undefined,
    isFenced: false,
  };
}

/** The next epoch, to be sent to all followers with the token. */
export function cut(state: PrimaryState): PrimaryState {
  return { ...state, epoch: state.epoch + 1 };
}

/** A follower has `epoch`, and what it answers left here at `answeredTo`. Whoever is none is not heard. */
export function acknowledged(
  state: PrimaryState,
  member: string,
  epoch: number,
  answeredTo: number,
): PrimaryState {
  if (epoch > state.epoch) return state;
  const followers = state.followers.map((follower) =>
    follower.member === member
      ? {
          member,
          acknowledged: Math.max(follower.acknowledged, epoch),
          answeredTo: Math.max(follower.answeredTo, answeredTo),
        }
      : follower,
  );
  return { ...state, followers };
}

/** A follower is silent: until the engine has it that it is not in sync any more, it is waited for all the same. One change at a time. */
export function drop(state: PrimaryState, member: string): PrimaryState {
  const { followers, change } = state;
  const left = followers.filter((follower) => follower.member !== member);
  if (change !== undefined || left.length === followers.length) return state;
  return propose(state, followers, left);
}

/** A member has the copy of `epoch`: it is waited for from now on, and may claim once the engine has it that it is in sync. Nothing happens if something left since. */
export function add(state: PrimaryState, member: string, epoch: number): PrimaryState {
  const { followers, change, released } = state;
  const isKnown = followers.some((follower) => follower.member === member);
  if (change !== undefined || isKnown || epoch < released) return state;
  const answeredTo = Number.NEGATIVE_INFINITY;
  const all = [...followers, { member, acknowledged: epoch, answeredTo }];
  return propose(state, all, all);
}

/** Its lease has run out, and nobody has claimed: the record is written as it is, and the lease begins anew. */
export function revive(state: PrimaryState): PrimaryState {
  if (state.change !== undefined) return state;
  return propose(state, state.followers, state.followers);
}

/** `followers`: whom it waits for until it is decided; `inSync`: who is in sync then. */
function propose(
  state: PrimaryState,
  followers: readonly Follower[],
  inSync: readonly Follower[],
): PrimaryState {
  const record = withInSync(
    state.record,
    inSync.map(({ member }) => member),
  );
  const change = beginClaim({ expected: state.revision, record, unlessAlive: false });
  return { ...state, followers, change };
}

/** What became of the change. One that was lost says that there is another owner. */
export function changed(state: PrimaryState, event: ClaimEvent): PrimaryState {
  if (state.change === undefined) return state;
  const change = stepClaim(state.change, event);
  if (change.phase === 'lost') return { ...state, change: undefined, isFenced: true };
  if (change.phase !== 'won') return { ...state, change };
  const { record } = change.swap;
  const followers = state.followers.filter(({ member }) => record.inSync.includes(member));
  return { ...state, record, followers, revision: change.revision, change: undefined };
}

/** What is left of an owner when it is fenced: a copy, which is in sync if the record says so. */
export function stepDown({ record, epoch }: PrimaryState): StandbyState {
  const { owner: member, generation: token } = record;
  return { ...begun(member, token), copy: { token, epoch } };
}

/** The last epoch whose outputs may leave at `now`: all followers have it, and nobody else can own the guest. 0: none. */
export function releasable(state: PrimaryState, now: number, promiseMs: number): number {
  if (state.isFenced || !mayAct(standing(state, promiseMs), now)) return 0;
  return Math.min(state.epoch, ...state.followers.map((follower) => follower.acknowledged));
}

/** What left is noted before it leaves. */
export function release(state: PrimaryState, epoch: number): PrimaryState {
  return { ...state, released: Math.max(state.released, epoch) };
}

/** The lease, or what all that may claim promised, whichever lasts longer: an outage of the engine does not stop the guest. */
export function standing({ holding, followers }: PrimaryState, promiseMs: number): Holding {
  if (followers.length === 0) return holding;
  const since = Math.min(...followers.map(({ answeredTo }) => answeredTo));
  return promised(holding, since, promiseMs);
}
