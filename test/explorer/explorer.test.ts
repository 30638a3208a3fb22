import { describe, expect, it } from 'vitest';
import { explore, someoneRuns } from './explore.js';
import { type Machines, machines } from './machines.js';
import { type Budget, beginning, nothing, type World } from './world.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const mostWorlds = 3_000_000;

interface Setting {
  readonly seats: readonly string[];
  readonly budget: Partial<Budget>;
  /** By night. */
  readonly more: Partial<Budget>;
  /** What has to come up, or it shows nothing. */
  readonly happens: readonly string[];
}

const settings: Readonly<Record<string, Setting>> = {
  'an owner dies, or is silent': {
    seats: ['a', 'b'],
    budget: { ticks: 3, cuts: 2, renewals: 1, crashes: 1 },
    more: { renewals: 2, crashes: 2 },
    happens: ['a crashes', 'b claims', '2 ran', 'a renews', 'output of 1 accepted'],
  },
  'a lease runs out, and its owner wants it back': {
    seats: ['a', 'b'],
    budget: { ticks: 3, cuts: 1, revivals: 1, unanswered: 1 },
    more: { cuts: 2, unanswered: 2 },
    happens: ['a wants its lease back', 'a waits no longer', 'a reads', 'b claims', '2 ran'],
  },
  'a standby is silent, and is dropped': {
    seats: ['a', 'b'],
    budget: { ticks: 2, cuts: 1, drops: 1, crashes: 1, unanswered: 1 },
    more: { ticks: 3, cuts: 2, unanswered: 2 },
    happens: ['a drops b#1', 'a waits no longer', 'b claims', 'output of 1 accepted'],
  },
  'a guest is handed over, its source changes its mind': {
    seats: ['a', 'b'],
    budget: { ticks: 2, handovers: 1, unanswered: 1, crashes: 1 },
    more: { cuts: 1, unanswered: 2 },
    happens: ['a hands over to b', 'a reclaims', 'b reads', '2 ran'],
  },
  'a guest is handed over while a standby may take it': {
    seats: ['a', 'b', 'c'],
    budget: { ticks: 2, handovers: 1, crashes: 1 },
    more: { ticks: 3 },
    happens: ['a hands over to c', 'b claims', 'a reclaims', '2 ran'],
  },
  'two owners die, one after the other': {
    seats: ['a', 'b', 'c'],
    budget: { ticks: 4, cuts: 1, crashes: 2 },
    more: {},
    happens: ['a crashes', 'b crashes', '3 ran', 'output of 1 accepted'],
  },
  'a standby starts anew and joins': {
    seats: ['a', 'b'],
    budget: { ticks: 2, cuts: 1, crashes: 1, restarts: 1, drops: 1, joins: 1 },
    more: { cuts: 2 },
    happens: ['b starts anew', 'a sends its copy to b', 'joined arrives', 'b claims'],
  },
  'a new owner lets output go, and who receives it starts anew': {
    seats: ['a', 'b'],
    budget: { ticks: 2, cuts: 1, drops: 1, forgets: 1 },
    more: { cuts: 2 },
    happens: ['b drops a#1', 'output of 2 accepted', 'outside restarts'],
  },
};

function worldOf({ seats, budget, more }: Setting, atNight: boolean): World {
  const all = { ...nothing, ...budget, ...(atNight ? more : {}) };
  return beginning(seats, all, machines.lead);
}

describe('the machines of leases and replication', () => {
  it.each(Object.entries(settings))(
    'hold whatever happens where %s',
    { timeout: 3_600_000 },
    (name, setting) => {
      const every = nightly ? 1000 : 100;
      const first = worldOf(setting, nightly);
      const found = explore(first, machines, mostWorlds, someoneRuns(machines, every));
      const { states, moves, happened, wrong } = found;
      console.log(`${name}: ${states} worlds, ${moves} moves`);
      expect(wrong).toBeUndefined();
      expect(setting.happens.filter((what) => !happened.has(what))).toEqual([]);
    },
  );
});

/** Decisions that are wrong, each as it might have been made. */
const dies = 'an owner dies, or is silent';
const isHandedOver = 'a guest is handed over, its source changes its mind';
const runsOut = 'a lease runs out, and its owner wants it back';
const isDropped = 'a standby is silent, and is dropped';
const isReceived = 'a new owner lets output go, and who receives it starts anew';
const bothDie = 'two owners die, one after the other';
const mutations: Readonly<Record<string, readonly [setting: string, Partial<Machines>]>> = {
  'a claim that compares nothing': [runsOut, { compares: false }],
  'output that leaves before it is acknowledged': [
    dies,
    {
      releasable: (state, now, promiseMs) =>
        !state.isFenced && machines.mayAct(machines.standing(state, promiseMs), now)
          ? state.epoch
          : 0,
    },
  ],
  'a standby that claims though it is not in sync': [
    isDropped,
    {
      mayClaim: (state, view, now) =>
        state.copy !== undefined && view.alive === undefined && now >= state.promisedUntil,
    },
  ],
  'a claim without an answer that is given up after one look': [
    isHandedOver,
    {
      stepClaim: (state, event) => {
        const { swap } = state;
        const isUndone =
          state.phase === 'doubtful' &&
          event.type === 'read' &&
          event.view.revision === swap.expected;
        return isUndone
          ? { phase: 'lost', swap, view: event.view }
          : machines.stepClaim(state, event);
      },
    },
  ],
  'a claim found by a look whose lease is counted from the last try': [
    isHandedOver,
    {
      stepClaim: (state, event) => {
        const next = machines.stepClaim(state, event);
        return next.phase === 'won' ? { ...next, timely: true } : next;
      },
    },
  ],
  'a deadline that is counted from the answer, a tick later': [
    dies,
    {
      renewed: (holding, askedAt, ttlMs) => machines.renewed(holding, askedAt + 1, ttlMs),
    },
  ],
  'a standby that is not waited for any more before the engine knows': [
    isDropped,
    {
      drop: (state, member) => {
        const next = machines.drop(state, member);
        const followers = next.followers.filter((follower) => follower.member !== member);
        return { ...next, followers };
      },
    },
  ],
  'a promotion that forgets an acknowledged epoch': [
    dies,
    {
      lead: (owner, revision, epoch, holding) =>
        machines.lead(owner, revision, Math.max(0, epoch - 1), holding),
    },
  ],
  'a receiver that does not keep the highest token': [isReceived, { persists: false }],
  'a standby that acknowledges while it claims': [
    dies,
    {
      takeover: (state, view, claim) => ({ ...machines.takeover(state, view, claim), state }),
    },
  ],
  'a standby that claims in spite of its promise': [
    dies,
    {
      mayClaim: (state, view, now) =>
        machines.mayClaim({ ...state, promisedUntil: Number.NEGATIVE_INFINITY }, view, now),
    },
  ],
  'a claim after which nobody else is in sync': [
    isHandedOver,
    {
      claimed: (before, member, claim) => ({
        ...machines.claimed(before, member, claim),
        inSync: [member],
      }),
    },
  ],
  'a new owner that takes for granted what others have': [
    bothDie,
    {
      lead: (owner, revision, epoch, holding) => {
        const state = machines.lead(owner, revision, epoch, holding);
        const followers = state.followers.map((follower) => ({ ...follower, acknowledged: epoch }));
        return { ...state, followers };
      },
    },
  ],
  'an owner that never asks for its lease back': [dies, { revive: (state) => state }],
};

describe('a wrong decision is found', () => {
  it.each(Object.entries(mutations))('%s', { timeout: 600_000 }, (name, [where, mutation]) => {
    const mutated = { ...machines, ...mutation };
    const setting = settings[where] as Setting;
    const { wrong } = explore(
      worldOf(setting, false),
      mutated,
      mostWorlds,
      someoneRuns(mutated, 20),
    );
    console.log(`${name}: ${wrong?.what} after ${wrong?.trace.length} moves`);
    expect(wrong).toBeDefined();
  });
});
