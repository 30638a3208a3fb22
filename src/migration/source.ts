import { randomBytes } from 'node:crypto';
import type { CaptureEngine } from '../codec/capture.js';
import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Message, Running } from '../protocol/messages.js';
import { protocolVersion } from '../protocol/version.js';
import type { Channel } from '../transport/channel.js';
import { beginTransfer } from './begin-transfer.js';
import type { Clock } from './clock.js';
import type { MigrationEvent, MigrationReport } from './events.js';
import { GuestControl } from './guest-control.js';
import { Inquiry } from './inquiry.js';
import { Link, type OpenTap } from './link.js';
import { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { makeReport } from './report.js';
import { stepSource } from './source-machine.js';
import { makePlan } from './source-plan.js';
import type { SourceEffect, SourceEvent, SourcePlan, SourceState } from './source-states.js';
import type { Transfer } from './transfer.js';

export interface SourceDeps {
  readonly guest: Guest;
  /** Opens a connection to the destination; called again only to ask how a committed switchover ended. */
  readonly connect: () => Promise<Channel>;
  readonly clock: Clock;
  readonly options: ResolvedOptions;
  readonly emit: (event: MigrationEvent) => void;
  readonly tap?: OpenTap | undefined;
  /** Sees every event the machine is fed and the state it leads to. For recordings. */
  readonly onStep?: ((event: SourceEvent, state: SourceState) => void) | undefined;
  /** `bytes` unpredictable bytes. Default: the system's. */
  readonly random?: (bytes: number) => Uint8Array;
}

/** How long an ABORT may stay unanswered. */
const abortedTimeoutMs = 1000;
/** How long a destination may take to undo a switchover. */
const retreatTimeoutMs = 10_000;
/** How long it may take to greet, and to make room for what it is offered. */
const greetingTimeoutMs = 10_000;
const admissionTimeoutMs = 60_000;

/** Binds the source machine to a guest, a clock and connections: carries out its effects and feeds it what happens. */
export class SourceDriver {
  readonly session: Uint8Array;
  /** Settles once the outcome is known, the guest is where it belongs and the connection is closed. */
  readonly done: Promise<MigrationReport>;
  readonly #deps: SourceDeps;
  readonly #plan: SourcePlan;
  readonly #control: GuestControl;
  readonly #meter: Meter;
  readonly #inquiry: Inquiry;
  readonly #startedAt: number;
  readonly #cpuFrom: NodeJS.CpuUsage = process.cpuUsage();
  #state: SourceState = { phase: 'greeting' };
  #link: Link | undefined;
  #engine: CaptureEngine | undefined;
  #transfer: Transfer | undefined;
  #attempt = 0;
  #running: Running | undefined;
  #throttle = 0;
  #failedSide: 'source' | 'destination' | undefined;
  #doubtSince: number | undefined;
  #cancelTimer: () => void = () => {};
  #farewell: Promise<void> = Promise.resolve();
  #settled: { resolve(report: MigrationReport): void; reject(error: FerryError): void };

  constructor(deps: SourceDeps) {
    const random = deps.random ?? randomBytes;
    this.#deps = deps;
    this.session = random(16);
    this.#control = new GuestControl(deps.guest);
    this.#meter = new Meter(deps.clock);
    this.#inquiry = new Inquiry({ clock: deps.clock, connect: () => this.#connect('ask') });
    this.#startedAt = deps.clock.now();
    this.#plan = makePlan(
      deps.guest,
      deps.options,
      random(192),
      () => this.#transfer?.generation ?? 0,
    );
    this.#settled = { resolve: () => {}, reject: () => {} };
    this.done = new Promise((resolve, reject) => {
      this.#settled = { resolve, reject };
    });
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
    this.#after(greetingTimeoutMs, { type: 'gave-up-waiting' });
    this.#connect('main').catch((error: unknown) => {
      this.#dispatch({ type: 'closed', error: asFerryError(error, 'ERR_CONNECTION_LOST') });
    });
  }

  /** Gives up, if COMMIT was not sent yet; the guest runs on here. Behind COMMIT a copy's outcome is waited for `outcomeTimeoutMs` at most. */
  cancel(error: FerryError): void {
    this.#dispatch({ type: 'cancelled', error });
    const { phase } = this.#state;
    if (phase === 'committed' || phase === 'in-doubt') this.#limitDoubt();
  }

  /** The operator's word on a switchover in doubt: run on here, or never again here. */
  resolve(verdict: 'resume' | 'abandon'): void {
    this.#dispatch({ type: 'resolved', verdict });
  }

  async #connect(role: 'main' | 'ask'): Promise<Link> {
    const channel = await this.#deps.connect();
    this.#attempt += 1;
    const link: Link = new Link(
      channel,
      this.#deps.clock,
      this.#attempt,
      {
        onMessage: (message) => this.#onMessage(link, message),
        onClosed: (error) => {
          if (this.#link === link) this.#dispatch({ type: 'closed', error });
        },
      },
      this.#deps.tap?.(this.#attempt),
    );
    link.onRoundTrip = (ms) => this.#meter.roundTrip(ms);
    this.#link = link;
    link.send({
      type: 'HELLO',
      minVersion: protocolVersion,
      maxVersion: protocolVersion,
      session: this.session,
      attempt: this.#attempt,
      channel: 0,
      role,
      capabilities: 0,
    });
    // Cancelled while the connection was being made.
    if (this.#isOver && role === 'main') link.destroy();
    return link;
  }

  #onMessage(link: Link, message: Message): void {
    if (this.#link !== link) return;
    if (message.type === 'ACK') {
      this.#transfer?.acknowledged(message.seq, message.rereadPages);
      return;
    }
    if (message.type === 'RUNNING') this.#running = message;
    this.#dispatch({ type: 'message', message });
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
    if (step.state.phase === 'in-doubt' && before.phase !== 'in-doubt') this.#announceDoubt();
    if (this.#isOver && before.phase !== step.state.phase) this.#end(step.state);
  }

  get #isOver(): boolean {
    return this.#state.phase === 'completed' || this.#state.phase === 'failed';
  }

  #carryOut(effect: SourceEffect, state: SourceState): void {
    switch (effect.do) {
      case 'send':
        this.#send(effect.message);
        return;
      case 'begin':
        this.#begin(effect.bases);
        return;
      case 'round':
        this.#transfer?.round();
        return;
      case 'throttle':
        this.#slow(effect.fraction);
        return;
      case 'pause':
        this.#transfer?.pause(effect.forced);
        return;
      case 'last-copy':
        this.#transfer?.lastCopy(state.phase === 'stop-and-copy' && state.forced);
        return;
      case 'resume':
        this.#transfer?.stop();
        this.#cancelTimer();
        this.#control.resume().catch((error: unknown) => {
          this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
        });
        return;
      case 'compare-hashes':
        this.#transfer?.compareHashes(effect.message, state.phase === 'preparing');
        return;
      case 'ask':
        this.#ask();
        return;
      case 'release-promise':
        if (state.phase === 'failed') this.#farewell = this.#inquiry.releasePromise(state.error);
        return;
      case 'await-aborted':
        this.#after(effect.scope === 'session' ? abortedTimeoutMs : retreatTimeoutMs, {
          type: 'gave-up-waiting',
        });
        return;
      case 'close':
        this.#transfer?.stop();
        this.#closeLink();
        return;
      default:
        effect satisfies never;
    }
  }

  #send(message: Message): void {
    if (message.type === 'COMMIT') {
      this.#cancelTimer();
      this.#transfer?.committed();
    }
    this.#link?.send(message);
    const isForced = this.#state.phase === 'preparing' && this.#state.forced;
    const isPaused = (this.#deps.guest.motion ?? 'pausable') === 'pausable';
    if (message.type === 'PREPARE' && isPaused && !isForced) {
      this.#later(this.#deps.options.switchoverTimeoutMs, () => this.#transfer?.readyIsLate());
    }
    if (message.type === 'OFFER') {
      this.#after(admissionTimeoutMs, { type: 'gave-up-waiting' });
      this.#deps.emit({
        type: 'offered',
        session: Buffer.from(this.session).toString('hex'),
        totalBytes: message.regions.reduce((sum, region) => sum + region.byteLength, 0),
        regions: message.regions.length,
      });
    }
  }

  #begin(bases: readonly ('zero' | 'unknown')[]): void {
    this.#cancelTimer();
    const link = this.#link;
    if (link === undefined) return;
    try {
      const { engine, transfer } = beginTransfer(
        {
          ...this.#deps,
          control: this.#control,
          link,
          meter: this.#meter,
          session: this.session,
          feed: (event) => this.#dispatch(event),
        },
        this.#plan,
        bases,
      );
      this.#engine = engine;
      this.#transfer = transfer;
      link.checksumOf = (bytes) => engine.checksum(bytes);
      link.ping();
    } catch (error) {
      const reason = asFerryError(error, 'ERR_GUEST');
      queueMicrotask(() => this.#dispatch({ type: 'broken', error: reason }));
    }
  }

  #slow(fraction: number): void {
    this.#throttle = Math.max(this.#throttle, fraction);
    this.#deps.guest.throttle?.(fraction);
    this.#deps.emit({ type: 'stalled', action: `throttle ${Math.round(fraction * 100)} %` });
  }

  /** Asks, again and again where the guest was handed over, how the COMMIT ended. */
  #ask(): void {
    this.#closeLink();
    this.#limitDoubt();
    this.#inquiry
      .reconnect(() => this.#state.phase === 'in-doubt')
      .then((connected) => {
        // Decided by the operator, or given up, while this connection was being made.
        if (connected && this.#isOver) this.#closeLink();
        else if (connected) this.#dispatch({ type: 'reconnected' });
      });
  }

  /** What is only copied is not waited for without end. */
  #limitDoubt(): void {
    const { clock, options } = this.#deps;
    if (this.#plan.offer.handsOver) return;
    this.#doubtSince ??= clock.now();
    const leftMs = options.outcomeTimeoutMs - (clock.now() - this.#doubtSince);
    this.#after(Math.max(0, leftMs), { type: 'gave-up-waiting' });
  }

  #announceDoubt(): void {
    this.#deps.emit({
      type: 'in-doubt',
      session: Buffer.from(this.session).toString('hex'),
      message:
        'COMMIT was sent and no answer came: the guest stays paused here until the destination can be asked',
    });
  }

  #after(ms: number, event: SourceEvent): void {
    this.#later(ms, () => this.#dispatch(event));
  }

  /** One timer at a time: each phase waits for one thing. */
  #later(ms: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#deps.clock.after(ms, callback);
  }

  #closeLink(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }

  #end(state: SourceState): void {
    this.#finish(state).catch((error: unknown) => {
      this.#settled.reject(asFerryError(error, 'ERR_GUEST'));
    });
  }

  async #finish(state: SourceState): Promise<void> {
    const { guest, clock, emit } = this.#deps;
    this.#cancelTimer();
    const totalMs = clock.now() - this.#startedAt;
    const report =
      state.phase === 'completed' &&
      this.#running !== undefined &&
      this.#engine !== undefined &&
      this.#transfer !== undefined
        ? makeReport({
            guest,
            engine: this.#engine,
            summary: this.#transfer.summary(this.#running),
            meter: this.#meter,
            retreats: this.#transfer.retreats,
            throttle: this.#throttle,
            totalMs,
            cpuFrom: this.#cpuFrom,
          })
        : undefined;
    guest.tracker.stop();
    if (this.#throttle > 0) guest.throttle?.(0);
    if (guest.handsOver === false) await this.#control.resume().catch(() => {});
    await this.#control.idle();
    await this.#farewell;
    const { stuck } = this.#control;
    if (stuck !== undefined) {
      const after = state.phase === 'failed' ? `${state.error.message}; and then ` : '';
      const what = `${after}the guest could not be continued here: ${stuck.message}`;
      this.#settled.reject(new FerryError('ERR_GUEST', what, { cause: stuck }));
      return;
    }
    if (report !== undefined) {
      emit({ type: 'completed', ...report });
      this.#settled.resolve(report);
      return;
    }
    const error =
      state.phase === 'failed'
        ? state.error
        : new FerryError('ERR_UNEXPECTED_MESSAGE', 'ended without a report');
    this.#settled.reject(error);
  }
}
