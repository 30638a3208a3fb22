import { randomBytes } from 'node:crypto';
import { asFerryError, FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';
import type { ChannelClosed, Message } from '../protocol/messages.js';
import { capability } from '../protocol/version.js';
import { beginTransfer } from './begin-transfer.js';
import type { MigrationReport } from './events.js';
import { GuestControl } from './guest-control.js';
import { Inquiry } from './inquiry.js';
import type { Link } from './link.js';
import { lossOf } from './link-fault.js';
import { Meter } from './meter.js';
import { Outage } from './outage.js';
import { PageChannels } from './page-channels.js';
import { SourceConnections } from './source-connections.js';
import { SourceDeadlines } from './source-deadlines.js';
import type { SourceDeps } from './source-deps.js';
import { endSource } from './source-end.js';
import { SourceLease } from './source-lease.js';
import { stepSource } from './source-machine.js';
import { claimDoubtNotice, doubtNotice, offeredNotice } from './source-notices.js';
import { type Accepted, capabilitiesOf, makePlan, planAgain } from './source-plan.js';
import type { SourceEffect, SourceEvent, SourcePlan, SourceState } from './source-states.js';
import type { Transfer } from './transfer.js';

/** Binds the source machine to a guest, a clock and connections: carries out its effects and feeds it what happens. */
export class SourceDriver {
  readonly session: Uint8Array;
  /** Settles once the outcome is known, the guest is where it belongs and the connection is closed. */
  readonly done: Promise<MigrationReport>;
  readonly #deps: SourceDeps;
  #plan: SourcePlan;
  /** The objects that the regions of the plan's offer are. */
  #offered: readonly Region[];
  #accepted: Accepted | undefined;
  readonly #control: GuestControl;
  readonly #meter: Meter;
  readonly #connections: SourceConnections;
  readonly #pageChannels: PageChannels;
  readonly #inquiry: Inquiry;
  readonly #deadlines: SourceDeadlines;
  readonly #startedAt: number;
  readonly #cpuFrom: NodeJS.CpuUsage = process.cpuUsage();
  readonly #lease: SourceLease | undefined;
  #state: SourceState = { phase: 'greeting' };
  #transfer: Transfer | undefined;
  /** What we can do; from HELLO_ACK on what both can do. */
  #capabilities: number;
  /** What the source's engine was made for. */
  #agreed = 0;
  #failedSide: 'source' | 'destination' | undefined;
  #farewell: Promise<void> = Promise.resolve();
  readonly #outage: Outage;
  /** Holds back what the destination says next of what it held. */
  #compared: Promise<void> | undefined;
  #over: () => void = () => {};

  constructor(deps: SourceDeps) {
    const { random = randomBytes } = deps;
    this.#deps = deps;
    this.session = random(16);
    this.#capabilities = capabilitiesOf(deps.options, deps.tap !== undefined);
    this.#control = new GuestControl(deps.guest);
    this.#meter = new Meter(deps.clock, deps.options.connections);
    this.#connections = new SourceConnections({
      ...deps,
      session: this.session,
      capabilities: this.#capabilities,
      onMessage: (message) => this.#onMessage(message),
      onClosed: (error) => this.#dispatch({ type: 'closed', error: lossOf(error) }),
      onPagesMessage: (channel, message) => this.#pageChannels.onMessage(channel, message),
      onPagesClosed: (channel, error) => this.#pageChannels.onClosed(channel, lossOf(error)),
      onRoundTrip: (ms) => this.#meter.roundTrip(ms),
    });
    const fraction = (): number => (random(1)[0] ?? 0) / 256;
    this.#pageChannels = new PageChannels({
      ...deps,
      links: this.#connections,
      random: fraction,
      transfer: () => this.#transfer,
      mayOpen: () => this.#state.phase === 'pre-copy' || this.#state.phase === 'comparing',
      onRefused: (message) => this.#dispatch({ type: 'message', message }),
      onLost: (channel) => this.#dispatch({ type: 'channel-lost', channel }),
      onBroken: (error) => this.#dispatch({ type: 'closed', error }),
    });
    this.#inquiry = new Inquiry({
      clock: deps.clock,
      connect: (role) => this.#connections.open(role),
      random: fraction,
    });
    this.#deadlines = new SourceDeadlines({
      ...deps,
      giveUp: () => this.#dispatch({ type: 'gave-up-waiting' }),
      giveBack: () => this.#transfer?.readyIsLate(),
    });
    this.#outage = new Outage({
      ...deps,
      inquiry: this.#inquiry,
      deadlines: this.#deadlines,
      wanted: () => this.#state.phase === 'reconnecting',
      gaveUp: () => this.#dispatch({ type: 'gave-up-waiting' }),
      tooLate: () => {
        if (this.#isOver) this.#connections.close();
      },
    });
    this.#startedAt = deps.clock.now();
    this.#offered = [...deps.guest.regions];
    this.#lease = this.#leaseOf(deps);
    this.#plan = makePlan(
      deps.guest,
      deps.options,
      random(192),
      () => this.#transfer?.generation ?? 0,
      this.#lease,
    );
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    this.done = over.then(() => this.#end());
  }

  get phase(): SourceState['phase'] {
    return this.#state.phase;
  }

  /** Whose word or fault ended a failed migration: the destination's if it said so, else ours or the link's. */
  get failedSide(): 'source' | 'destination' {
    return this.#failedSide ?? 'source';
  }

  /** Connects and begins. Call once. */
  start(): void {
    this.#deadlines.awaitGreeting();
    const opened =
      this.#lease === undefined ? this.#connections.open('main') : this.#open(this.#lease);
    opened.then(
      (link) => {
        // Cancelled while the connection was being made.
        if (this.#isOver) link?.destroy();
      },
      (error: unknown) =>
        this.#dispatch({ type: 'closed', error: asFerryError(error, 'ERR_CONNECTION_LOST') }),
    );
  }

  /** Nothing is offered that is another's. */
  async #open(lease: SourceLease): Promise<Link | undefined> {
    await lease.begin();
    return this.#isOver ? undefined : this.#connections.open('main');
  }

  #leaseOf({ lease: options, emit }: SourceDeps): SourceLease | undefined {
    if (options === undefined) return undefined;
    const session = Buffer.from(this.session).toString('hex');
    return new SourceLease({
      options,
      fenced: (error) => this.#dispatch({ type: 'fenced', error }),
      doubt: () => {
        if (this.#state.phase === 'reclaiming') emit(claimDoubtNotice(session));
      },
    });
  }

  /** Gives up, if COMMIT was not sent yet; the guest runs on here. Behind COMMIT a copy's outcome is waited for `outcomeTimeoutMs` at most. */
  cancel(error: FerryError): void {
    this.#dispatch({ type: 'cancelled', error });
    const { phase } = this.#state;
    if (phase === 'committed' || phase === 'in-doubt') this.#awaitOutcome();
  }

  /** The operator's word on a switchover in doubt: run on here, or never again here. */
  resolve(verdict: 'resume' | 'abandon'): void {
    this.#dispatch({ type: 'resolved', verdict });
  }

  /** The promise holds back the next message. */
  #onMessage(message: Message): void | Promise<void> {
    if (message.type === 'ACK') {
      this.#transfer?.acknowledged(0, message.seq, message.rereadPages);
      this.#outage.progressed();
      return;
    }
    if (message.type === 'FOLLOW' && this.#lease !== undefined) {
      this.#lease.destination = message.member;
      return;
    }
    if (message.type === 'ACCEPT' && this.#lease && this.#lease.destination === undefined) {
      const what = 'ACCEPT of a destination that did not say who it is';
      this.#dispatch({ type: 'broken', error: new FerryError('ERR_UNEXPECTED_MESSAGE', what) });
      return;
    }
    if (message.type === 'REHEARSED' && this.#transfer?.rehearsed(message.loadMs) === true) return;
    if (message.type === 'HELD' && this.#knowsHeld) return;
    if (message.type === 'ACCEPT' && message.bases.includes('held') && !this.#comparesHeld) {
      const what = 'ACCEPT calls a region held, which was not agreed on';
      this.#dispatch({ type: 'broken', error: new FerryError('ERR_UNEXPECTED_MESSAGE', what) });
      return;
    }
    if (message.type === 'HELLO_ACK') this.#capabilities &= message.capabilities;
    if (message.type === 'CHANNEL_CLOSED' && !this.#onChannelClosed(message)) return;
    // Late by the clock although no timer has fired yet: READY crosses the ABORT that goes out now.
    if (message.type === 'READY' && this.#transfer?.isOverdue === true)
      this.#transfer.readyIsLate();
    // The guest runs: what is still to be done here, as closing the connection, is none of its pause.
    const readAt = this.#deps.clock.now();
    this.#dispatch({ type: 'message', message });
    if (message.type === 'RUNNING' && this.#isOver) this.#transfer?.runs(message, readAt);
    if (message.type === 'HASHES') return this.#transfer?.reconciliation.room;
    if (message.type === 'HELD') return this.#compared;
  }

  /** Whether it can be. Behind COMMIT, and while all is given up, it is no news. */
  #onChannelClosed(message: ChannelClosed): boolean {
    if (this.#state.phase === 'committed' || this.#state.phase === 'aborting') return true;
    try {
      this.#pageChannels.onChannelClosed(message);
    } catch (error) {
      this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_UNEXPECTED_MESSAGE') });
      return false;
    }
    return true;
  }

  get #comparesHeld(): boolean {
    return (this.#capabilities & capability.held) !== 0;
  }

  /** What was held before was compared, or is no matter any more: a destination that was sent nothing yet tells of it again behind each cut. */
  get #knowsHeld(): boolean {
    return this.#state.phase === 'pre-copy' && this.#accepted?.bases.includes('held') === true;
  }

  #dispatch(event: SourceEvent): void {
    const before = this.#state;
    let step: ReturnType<typeof stepSource>;
    try {
      step = stepSource(before, event, this.#plan);
    } catch (error) {
      this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_UNEXPECTED_MESSAGE') });
      return;
    }
    this.#state = step.state;
    if (step.state.phase === 'aborting' || step.state.phase === 'failed') {
      this.#failedSide ??= event.type === 'message' ? 'destination' : 'source';
    }
    this.#deps.onStep?.(event, step.state);
    for (const effect of step.effects) this.#carryOut(effect, step.state);
    if (step.state.phase === 'in-doubt' && before.phase !== 'in-doubt') {
      this.#deps.emit(doubtNotice(this.session, this.#plan.offer));
    }
    if (event.type === 'compared') this.#outage.progressed();
    if (this.#isOver && before.phase !== step.state.phase) this.#over();
  }

  get #isOver(): boolean {
    return this.#state.phase === 'completed' || this.#state.phase === 'failed';
  }

  #carryOut(effect: SourceEffect, state: SourceState): void {
    switch (effect.do) {
      case 'send':
        this.#send(effect.message, state);
        return;
      case 'offer-again':
        this.#offered = [...this.#deps.guest.regions];
        this.#plan = planAgain(this.#plan, this.#deps.guest);
        this.#connections.own();
        this.#send(this.#plan.offer, state);
        return;
      case 'begin':
        this.#accepted = { offer: this.#plan.offer, offered: this.#offered, bases: effect.bases };
        if (this.#transfer === undefined) this.#begin();
        else this.#beginAgain(this.#transfer);
        return;
      case 'compare-again':
        if (this.#transfer !== undefined) this.#beginAgain(this.#transfer);
        return;
      case 'compare-held':
        this.#deadlines.awaitHeld();
        this.#compared = this.#transfer?.reconciliation.compareHeld(effect.message);
        return;
      case 'round':
        this.#deadlines.cancel();
        this.#transfer?.round();
        return;
      case 'throttle':
        this.#slow(effect.fraction);
        return;
      case 'pause':
        this.#transfer?.pause(effect.forced);
        return;
      case 'last-copy':
        this.#transfer?.lastCopy();
        return;
      case 'reconnect':
        this.#pageChannels.close();
        this.#connections.close();
        // Nothing it writes is sent meanwhile: to have it slow would win nothing.
        this.#control.fullSpeed();
        this.#outage.begin(effect.error);
        return;
      case 'go-on':
        this.#goOn(effect.lastAppliedSeq);
        return;
      case 'resume':
        this.#transfer?.stop();
        this.#deadlines.cancel();
        this.#control
          .resume(() => this.#lease?.mayGoOn())
          .catch((error: unknown) => {
            this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
          });
        return;
      case 'halt':
        this.#transfer?.stop();
        this.#deadlines.cancel();
        this.#control.halt().catch(() => {
          // What cannot be paused is not said to stand still: whoever asks its owner sees the other.
        });
        return;
      case 'reclaim':
        this.#deadlines.cancel();
        this.#lease?.reclaim(effect.handedBack).then(
          (by) => this.#dispatch({ type: 'reclaimed', by }),
          () => {
            // Given up here meanwhile.
          },
        );
        return;
      case 'run-on':
        this.#control.resume().then(
          () => this.#transfer?.ranOn(),
          () => {
            // It is tried again at the end, where somebody is told.
          },
        );
        return;
      case 'compare-hashes':
        this.#transfer?.reconciliation.compareHashes(effect.message, state.phase === 'preparing');
        return;
      case 'resend':
        this.#transfer?.resend();
        return;
      case 'ask':
        this.#ask();
        return;
      case 'release-promise':
        if (state.phase === 'failed') this.#farewell = this.#inquiry.releasePromise(state.error);
        return;
      case 'await-aborted':
        this.#deadlines.awaitAborted(effect.scope);
        return;
      case 'close':
        this.#transfer?.stop();
        this.#pageChannels.close();
        this.#connections.close();
        return;
      default:
        effect satisfies never;
    }
  }

  #send(message: Message, state: SourceState): void {
    const pages = this.#transfer?.totalPages ?? 0;
    if (message.type === 'COMMIT') {
      this.#deadlines.awaitRunning(pages);
      this.#transfer?.committed();
      this.#lease?.committed();
    }
    if (message.type === 'OFFER' && this.#lease) this.#connections.link?.send(this.#lease.lead);
    this.#connections.link?.send(message);
    if (message.type === 'COMMIT') this.#pageChannels.close();
    if (message.type === 'PREPARE') {
      this.#deadlines.awaitReady(pages, state.phase === 'preparing' && state.forced);
    }
    if (message.type === 'OFFER') {
      this.#deadlines.awaitAdmission();
      this.#deps.emit(offeredNotice(this.session, message));
    }
  }

  #begin(): void {
    this.#awaitBases();
    const { link } = this.#connections;
    const accepted = this.#accepted;
    if (link === undefined || accepted === undefined) return;
    try {
      this.#transfer = beginTransfer(
        {
          ...this.#deps,
          control: this.#control,
          link,
          meter: this.#meter,
          session: this.session,
          patches: (this.#capabilities & capability.patches) !== 0,
          lz4: (this.#capabilities & capability.lz4) !== 0,
          rehearsals: (this.#capabilities & capability.rehearsals) !== 0,
          feed: (event) => this.#dispatch(event),
        },
        accepted,
      );
      this.#agreed = this.#capabilities;
      link.ping();
      this.#pageChannels.open(this.#capabilities);
    } catch (error) {
      const reason = asFerryError(error, 'ERR_GUEST');
      queueMicrotask(() => this.#dispatch({ type: 'broken', error: reason }));
    }
  }

  /** The destination was started again, or tells once more what it held: nothing of what was sent is taken to be there. */
  #beginAgain(transfer: Transfer): void {
    const { link } = this.#connections;
    const accepted = this.#accepted;
    if (link === undefined || accepted === undefined) return;
    if ((this.#capabilities & this.#agreed) !== this.#agreed) {
      const what = 'the destination was started again, and can do less than before';
      const error = new FerryError('ERR_INCOMPATIBLE', what);
      queueMicrotask(() => this.#dispatch({ type: 'broken', error }));
      return;
    }
    const outageMs = this.#outage.end();
    this.#awaitBases();
    transfer.beginAgain(link, accepted, (lostPages) => this.#resumed(link, outageMs, lostPages));
  }

  /** What was held before is told of in a while; else rounds begin. */
  #awaitBases(): void {
    if (this.#accepted?.bases.includes('held')) this.#deadlines.awaitHeld();
    else this.#deadlines.cancel();
  }

  #resumed(link: Link, outageMs: number, lostPages: number): void {
    this.#control.slowAgain();
    this.#deps.emit({ type: 'resumed', outageMs, lostPages });
    link.ping();
    this.#pageChannels.open(this.#capabilities);
  }

  #goOn(lastAppliedSeq: number): void {
    const { link } = this.#connections;
    if (link === undefined) return;
    const outageMs = this.#outage.end();
    this.#transfer?.goOn(link, lastAppliedSeq, (lostPages) =>
      this.#resumed(link, outageMs, lostPages),
    );
  }

  #slow(fraction: number): void {
    this.#control.slow(fraction);
    this.#deps.emit({ type: 'stalled', action: `throttle ${Math.round(fraction * 100)} %` });
  }

  /** Asks, again and again where the guest was handed over, how the COMMIT ended. */
  #ask(): void {
    this.#connections.close();
    this.#awaitOutcome();
    this.#inquiry
      .reconnect('ask', () => this.#state.phase === 'in-doubt')
      .then((connected) => {
        // Decided by the operator, or given up, while this connection was being made.
        if (connected && this.#isOver) this.#connections.close();
        else if (connected) this.#dispatch({ type: 'reconnected' });
      });
  }

  /** Not for ever, where it is known who has the guest. */
  #awaitOutcome(): void {
    const state = this.#state;
    this.#deadlines.awaitOutcome(state.phase === 'in-doubt' && state.revision !== undefined);
  }

  #end(): Promise<MigrationReport> {
    const { guest, clock, emit } = this.#deps;
    this.#deadlines.cancel();
    return endSource({
      state: this.#state,
      guest,
      emit,
      control: this.#control,
      transfer: this.#transfer,
      meter: this.#meter,
      interruptions: this.#outage.count,
      totalMs: clock.now() - this.#startedAt,
      cpuFrom: this.#cpuFrom,
      farewell: this.#farewell,
      fenced: () => this.#lease?.fenced,
    }).finally(() => this.#lease?.end());
  }
}
