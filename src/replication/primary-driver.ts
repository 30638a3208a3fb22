import { asFerryError, type FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { type Holding, mayAct, renewed } from '../lease/holding.js';
import { Keeper } from '../lease/keeper.js';
import { LeaseKeeper } from '../lease/lease-keeper.js';
import type { OwnerRecord } from '../lease/owner-record.js';
import { EventStream } from '../migration/event-stream.js';
import { Dialer } from './dialer.js';
import { EpochCutter } from './epoch-cutter.js';
import type { PrimaryEvent } from './events.js';
import { type Connected, Followers, hasNothing } from './followers.js';
import { Lag } from './lag.js';
import { Membership } from './membership.js';
import { Outputs } from './outputs.js';
import { Presence } from './presence.js';
import {
  acknowledged,
  cut,
  lead,
  type PrimaryState,
  releasable,
  release,
  revive,
  standing,
} from './primary.js';
import { fenced, type ResolvedMember } from './protect-options.js';
import { RunGate } from './run-gate.js';
import { SharedTracker } from './shared-tracker.js';

/** Epochs that were sent and not acknowledged, at most, before an output cuts another one. */
const mostUnacknowledged = 8;
/** While one is on its way an output waits for others to share an epoch with: so many times as long as the guest stood still for the last one, and a millisecond at least. */
const spacing = 4;

/** How a member came to own the guest. */
export interface Ownership {
  readonly record: OwnerRecord;
  readonly revision: bigint;
  /** The last epoch its copy has; 0: it began here. */
  readonly epoch: number;
  readonly holding: Holding;
}

/**
 * The owner of a guest that runs: cuts epochs, sends them to all standbys, lets outputs leave when they may, keeps its lease, and stops the guest when it may not go on. Made by
 * `protect`, and by a standby that was promoted.
 */
export class Primary implements AsyncIterable<PrimaryEvent>, AsyncDisposable {
  readonly guest: Guest;
  readonly #options: ResolvedMember;
  readonly #events = new EventStream<PrimaryEvent>();
  readonly #outputs = new Outputs();
  readonly #lag = new Lag();
  readonly #followers: Followers;
  readonly #dialers: readonly Dialer[];
  readonly #gate: RunGate;
  readonly #cutter: EpochCutter;
  /** What each member promises with an acknowledgement, also where its connection is lost by now. */
  readonly #promises = new Map<string, number>();
  readonly #cutting: Promise<void>;
  readonly #membership: Membership;
  readonly #lease: LeaseKeeper;
  readonly #keeper: Keeper | undefined;
  readonly #presence: Presence;
  #state: PrimaryState;
  /** Nothing more happens to the guest here. */
  #isClosing = false;
  #isClosed = false;
  #cutAt = Number.NEGATIVE_INFINITY;
  #spacingMs = 1;
  #wake: () => void = () => {};
  #deadline: NodeJS.Timeout | undefined;

  constructor(guest: Guest, options: ResolvedMember, ownership: Ownership) {
    const { record, revision, epoch, holding } = ownership;
    const { peers, trust } = options;
    this.guest = guest;
    this.#options = options;
    this.#state = lead(record, revision, epoch, holding);
    this.#gate = new RunGate(
      guest,
      () => this.mayAct,
      () => this.#guard(),
    );
    this.#cutter = new EpochCutter(guest, this.#gate);
    this.#followers = new Followers({
      ...{ guest, options, tracker: new SharedTracker(guest.tracker), token: record.generation },
      ready: ({ session }) => {
        this.#promises.set(session.member, session.promiseMs);
        this.#wake();
      },
      acknowledged: (follower, number, leftAt) => this.#onAcknowledged(follower, number, leftAt),
      lost: (follower, error) => this.#onLost(follower, error),
      tell: (event) => this.#events.push(event),
    });
    const serve: ConstructorParameters<typeof Dialer>[2] = (channel) =>
      this.#followers.serve(channel);
    this.#dialers = peers.map((address) => {
      const member = `${address.host}:${address.port}`;
      return new Dialer(address, trust, serve, ({ code, message }) => {
        this.#events.push({ type: 'unreached', member, code, message });
        this.#membership.evaluate();
      });
    });
    this.#membership = this.#members();
    this.#cutting = this.#cutEpochs();
    this.#keeper = this.#startKeeper();
    this.#lease = this.#keepLease();
    this.#watchDeadline();
    this.#presence = new Presence({
      ...{ options, guest, token: record.generation },
      tell: (event) => this.#events.push(event),
      mayResign: () => this.inSync.length > 1 && !this.#isOver && !this.#isClosing,
      resign: () => {
        this.close().catch(() => {
          // Why it was closed is told; what it could not close ends with the process.
        });
      },
    });
  }

  /** Its fencing token. */
  get token(): bigint {
    return this.#state.record.generation;
  }

  /** The last epoch that was cut. */
  get epoch(): number {
    return this.#state.epoch;
  }

  /** The last epoch whose outputs may have left. */
  get released(): number {
    return this.#state.released;
  }

  /** Members that may take over, itself among them, as the engine has it. */
  get inSync(): readonly string[] {
    return this.#state.record.inSync;
  }

  /**
   * Milliseconds of what the guest did that not all in sync have: what a failover may lose now with `async`. Undefined where nobody else is in sync, or not known what they have.
   */
  get lagMs(): number | undefined {
    return this.inSync.length === 1 ? undefined : this.#lag.since(this.#held, performance.now());
  }

  get isFenced(): boolean {
    return this.#state.isFenced;
  }

  /** Whether anything may be done at this moment: ask before each call of the guest, import and output that does not wait for `commit`. */
  get mayAct(): boolean {
    this.#lease?.refresh();
    return !this.#isOver && !this.#isClosing && mayAct(this.#standing, performance.now());
  }

  /**
   * Resolves when what the guest did so far may be told of: with output-commit, when every member in sync has it and the token is still ours; async: as soon as this may act. Rejects with
   * ERR_FENCED where it never may: somebody else owns the guest, or this was closed.
   */
  async commit(): Promise<void> {
    if (this.#options.mode === 'async' && this.mayAct) return;
    const leaves = this.#outputs.wait();
    this.#wake();
    await leaves;
  }

  /** Lets go of the guest: it stands still here, standbys get what they have not, and the lease ends, so that one of them takes over. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosing || this.#isClosed) return;
    this.#isClosing = true;
    this.#wake();
    await this.#gate.settle();
    await this.#cutting;
    if (!this.isFenced) {
      await this.#cut(this.#followers.all).catch(() => {});
      await this.#caughtUp();
    }
    this.#isClosed = true;
    await this.#stop(fenced('the guest was let go of here'));
    if (this.isFenced) return;
    const { lease, name } = this.#options;
    await lease.resign(name, this.token).catch(() => {
      // An engine that does not answer ends it in its time.
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<PrimaryEvent> {
    return this.#events;
  }

  get #isOver(): boolean {
    return this.#isClosed || this.isFenced;
  }

  /** The last epoch that all in sync have. */
  get #held(): number {
    const { epoch, followers } = this.#state;
    return Math.min(epoch, ...followers.map(({ acknowledged }) => acknowledged));
  }

  /** What those that may claim promised, at least. */
  get #promiseMs(): number {
    const promises = this.#state.followers.map(({ member }) => this.#promises.get(member) ?? 0);
    return promises.length === 0 ? 0 : Math.min(...promises);
  }

  get #standing(): Holding {
    return standing(this.#state, this.#promiseMs);
  }

  /** Everything has stopped when this resolves; outputs are told why. */
  async #stop(reason: FerryError): Promise<void> {
    clearTimeout(this.#deadline);
    this.#lease.stop();
    for (const dialer of this.#dialers) dialer.stop();
    this.#followers.cutAll(reason);
    this.#outputs.refuse(reason);
    this.#wake();
    await this.#gate.settle();
    await this.#keeper?.stop();
    await Promise.allSettled([
      this.#cutting,
      this.#lease.done,
      this.#presence.stop(),
      ...this.#dialers.map(({ done }) => done),
    ]);
    this.#events.end();
  }

  /** Those that may take over acknowledged what was cut, or were lost; where there are none, all who follow. No longer than there is patience. */
  async #caughtUp(): Promise<void> {
    const until = performance.now() + this.#options.patienceMs;
    const isBehind = () => {
      const { heirs, all } = this.#followers;
      return (heirs.length > 0 ? heirs : all).some(({ unanswered }) => unanswered.size > 0);
    };
    while (isBehind() && performance.now() < until) await pause(1);
  }

  async #cutEpochs(): Promise<void> {
    while (!this.#isOver && !this.#isClosing) {
      await this.#due();
      if (!this.#gate.isRunning) {
        await pause(1);
        continue;
      }
      try {
        await this.#cut();
        await this.#cutter.audit(this.#followers.all);
      } catch (error) {
        // Nobody knows what the standbys have: they begin anew.
        const reason = asFerryError(error, 'ERR_GUEST');
        for (const follower of this.#followers.all) this.#followers.cut(follower, reason);
      }
    }
  }

  /** Waits for the time of the next epoch, for an output that wants one, or for a standby whose copy it makes whole. */
  async #due(): Promise<void> {
    const { intervalMs, targetLagMs } = this.#options;
    const every = (): number => {
      if (this.#followers.all.some(hasNothing)) return 0;
      const usual = targetLagMs === undefined ? intervalMs : this.#lag.intervalFor(targetLagMs);
      return this.#outputs.wantsEpoch ? Math.min(usual, this.#outputEveryMs) : usual;
    };
    const leftMs = (): number => every() - (performance.now() - this.#cutAt);
    const isOver = () => this.#isOver || this.#isClosing;
    while (!isOver() && leftMs() > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, Math.ceil(leftMs()));
      });
      clearTimeout(timer);
    }
  }

  /** How long after the last one an output may have an epoch cut. */
  get #outputEveryMs(): number {
    const waiting = this.#followers.heirs.map(({ unanswered }) => unanswered.size);
    const most = Math.max(0, ...waiting);
    if (most === 0) return 0;
    return most < mostUnacknowledged ? this.#spacingMs : Number.POSITIVE_INFINITY;
  }

  async #cut(followers: readonly Connected[] = this.#followers.due): Promise<void> {
    this.#cutAt = performance.now();
    const waiting = this.#outputs.all;
    const made =
      followers.length === 0 ? undefined : await this.#cutter.cut(followers, this.#state.epoch);
    // Without standbys an epoch is but a number; where nothing happened, what waits belongs to the last one.
    if (made !== undefined || followers.length === 0) this.#state = cut(this.#state);
    const number = this.#state.epoch;
    this.#lag.was(number, this.#cutAt, this.#held);
    this.#outputs.belong(waiting, number);
    if (made !== undefined) {
      this.#cutter.send(made, number);
      const [{ pages, bytes } = { pages: 0, bytes: 0 }] = made.epochs;
      const { pauseMs } = made;
      this.#spacingMs = Math.max(1, spacing * pauseMs);
      this.#events.push({ type: 'epoch', number, pauseMs, pages, bytes, lagMs: this.lagMs });
    }
    this.#release();
  }

  #onAcknowledged(follower: Connected, number: number, leftAt: number): void {
    const { member } = follower.session;
    this.#state = acknowledged(this.#state, member, number, leftAt);
    this.#lag.acknowledged(number, performance.now());
    this.#watchDeadline();
    this.#membership.heard(member);
    this.#release();
    this.#wake();
  }

  #onLost({ session: { member } }: Connected, error: FerryError): void {
    const { code, message } = error;
    this.#events.push({ type: 'unreached', member, code, message });
    this.#membership.lost(member);
    this.#release();
  }

  /** Lets leave what may. One that is about to be in sync is waited for as well: else it never has all that left. */
  #release(): void {
    const state = this.#state;
    const may = releasable(state, performance.now(), this.#promiseMs);
    const isIn = (member: string) => state.followers.some((each) => each.member === member);
    const joining = this.#followers.heirs.filter(({ session }) => !isIn(session.member));
    const limit = Math.min(may, ...joining.map((each) => this.#limitOf(each)));
    if (limit > state.released) this.#state = release(state, limit);
    this.#outputs.release(may === 0 ? 0 : this.#state.released);
  }

  #limitOf(follower: Connected): number {
    return hasNothing(follower)
      ? Number.POSITIVE_INFINITY
      : Math.max(follower.acknowledged, this.#state.released);
  }

  /** The lease was renewed by what was asked for at `askedAt`. */
  #hold(askedAt: number): void {
    const holding = renewed(this.#state.holding, askedAt, this.#options.lease.ttlMs);
    this.#state = { ...this.#state, holding };
    this.#watchDeadline();
  }

  #members(): Membership {
    return new Membership({
      ...{ options: this.#options, followers: this.#followers },
      state: () => this.#state,
      become: (state) => {
        this.#state = state;
      },
      isSought: () => this.#followers.isGreeting || this.#dialers.some(({ hasTried }) => !hasTried),
      isOver: () => this.#isOver,
      held: (askedAt) => this.#hold(askedAt),
      tell: (event) => this.#events.push(event),
      decided: () => {
        if (this.#state.isFenced) {
          void this.#fence();
          return;
        }
        this.#guard();
        this.#membership.evaluate();
        this.#presence.evaluate();
        this.#release();
        this.#wake();
      },
      failed: (error) => void this.#fence(asFerryError(error, 'ERR_LEASE_UNKNOWN').message),
    });
  }

  #startKeeper(): Keeper | undefined {
    const { keeper, lease } = this.#options;
    if (keeper === undefined) return undefined;
    return new Keeper(lease.ttlMs, keeper, () => this.#lost());
  }

  /** Tells the keeper what it has to kill for, from when on. Alone in sync nobody else can have the guest. */
  #guard(): void {
    const isArmed = this.#gate.isRunning && this.inSync.length > 1;
    this.#keeper?.guard(isArmed, this.#standing.until);
  }

  /** The lease ran out, or somebody else owns the guest: the record tells. */
  #lost(): void {
    if (this.#isOver) return;
    this.#state = revive(this.#state);
    this.#membership.evaluate();
  }

  #keepLease(): LeaseKeeper {
    const { lease, name, patienceMs } = this.#options;
    return new LeaseKeeper({
      ...{ lease, name, token: this.token, keeper: this.#keeper, everyMs: patienceMs / 2 },
      held: (askedAt) => this.#hold(askedAt),
      lost: () => this.#lost(),
      looked: () => {
        this.#membership.evaluate();
        this.#release();
      },
    });
  }

  /** Lets the guest run as long as it may: it is stopped before that is over. */
  #watchDeadline(): void {
    clearTimeout(this.#deadline);
    this.#lease?.refresh();
    this.#guard();
    if (this.#isOver) return;
    const wasRunning = this.#gate.isRunning;
    const leftMs = this.#standing.until - performance.now();
    if (leftMs > 0) {
      this.#deadline = setTimeout(() => this.#watchDeadline(), Math.min(leftMs, 1000));
    }
    if (wasRunning === leftMs > 0) return;
    this.#gate.settle().then(
      () => {
        const { isRunning } = this.#gate;
        if (isRunning !== wasRunning)
          this.#events.push({ type: isRunning ? 'resumed' : 'suspended' });
      },
      (error: unknown) => this.#fence(asFerryError(error, 'ERR_GUEST').message),
    );
  }

  async #fence(message = 'another member owns the guest'): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#events.push({ type: 'fenced', message });
    await this.#stop(fenced(message));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
