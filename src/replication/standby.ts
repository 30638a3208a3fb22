import { admission } from '../lease/fence.js';
import { claimed, withInSync } from '../lease/owner-record.js';
import type { LeaseView, Swap } from '../lease/swap.js';

/** A copy of a guest that waits to take over. */
export interface StandbyState {
  /** Of this life of the process. */
  readonly member: string;
  /** The highest token seen, in this life or before. */
  readonly highest: bigint;
  /** What it has whole: up to which epoch of the owner with that token. Undefined: nothing, as when it began. */
  readonly copy: { readonly token: bigint; readonly epoch: number } | undefined;
  /** It promised not to claim before that, on its own monotone clock. */
  readonly promisedUntil: number;
  /** A claim of its own is under way: it acknowledges and promises nothing until that is decided. */
  readonly isClaiming: boolean;
}

/** A life that begins, where `highest` was the highest token before. */
export function begun(member: string, highest: bigint): StandbyState {
  return { member, highest, copy: undefined, promisedUntil: 0, isClaiming: false };
}

/** An epoch that arrived whole, and its root was right. */
export interface Epoch {
  readonly token: bigint;
  readonly number: number;
}

export type Reception =
  | { readonly type: 'fenced'; readonly highest: bigint }
  /** It claims by itself. */
  | { readonly type: 'claiming' }
  /** It does not follow what is here, or it is of another owner, who may have had less: the copy has to be made anew first. */
  | { readonly type: 'gap' }
  /** To be answered once `state` is durable, as far as it has to be. */
  | { readonly type: 'acknowledged'; readonly epoch: number; readonly state: StandbyState };

/** `now`: when it is acknowledged; it is promised then not to claim for `promiseMs`. */
export function receive(
  state: StandbyState,
  { token, number }: Epoch,
  now: number,
  promiseMs: number,
): Reception {
  if (admission(state.highest, token) === 'refuse') {
    return { type: 'fenced', highest: state.highest };
  }
  const { copy } = state;
  if (state.isClaiming) return { type: 'claiming' };
  if (copy === undefined || copy.token !== token || number > copy.epoch + 1) return { type: 'gap' };
  const epoch = Math.max(copy.epoch, number);
  const promisedUntil = Math.max(state.promisedUntil, now + promiseMs);
  return {
    type: 'acknowledged',
    epoch,
    state: { ...state, copy: { token, epoch }, promisedUntil },
  };
}

/**
 * All of `epoch` of the owner with `token` is here, since `now`. One that was here further already stays: what joins may be late. Undefined: that owner is fenced
 * here, or a claim is under way.
 */
export function joined(
  state: StandbyState,
  { token, number }: Epoch,
  now: number,
  promiseMs: number,
): StandbyState | undefined {
  if (state.isClaiming || admission(state.highest, token) === 'refuse') return undefined;
  const before = state.copy?.token === token ? state.copy.epoch : 0;
  const promisedUntil = Math.max(state.promisedUntil, now + promiseMs);
  return {
    ...state,
    highest: token,
    copy: { token, epoch: Math.max(before, number) },
    promisedUntil,
  };
}

/** Whether it may take over from whom `view` tells of: it has a copy, is in sync, nobody is alive, and it promised nothing. */
export function mayClaim(state: StandbyState, view: LeaseView, now: number): boolean {
  return (
    state.copy !== undefined &&
    !state.isClaiming &&
    view.record?.inSync.includes(state.member) === true &&
    view.alive === undefined &&
    now >= state.promisedUntil
  );
}

/** The claim that takes over, and what it is meanwhile. `isOlder`: with less than others may have, whose copies do not count any more. */
export function takeover(
  state: StandbyState,
  view: LeaseView,
  claim: string,
  isOlder = false,
): { readonly state: StandbyState; readonly swap: Swap } {
  const next = claimed(view.record, state.member, claim);
  const record = isOlder ? withInSync(next, []) : next;
  const swap = { expected: view.revision, record, unlessAlive: true };
  return { state: { ...state, isClaiming: true }, swap };
}

/** Somebody else was first. */
export function outrun(state: StandbyState): StandbyState {
  return { ...state, isClaiming: false };
}
