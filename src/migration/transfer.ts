import { asFerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Running } from '../protocol/messages.js';
import type { Clock } from './clock.js';
import { digestOf } from './digest.js';
import { PauseTimer } from './downtime.js';
import type { MigrationEvent, Prediction } from './events.js';
import type { GuestControl } from './guest-control.js';
import { GuestCosts } from './guest-costs.js';
import type { Lanes } from './lanes.js';
import type { Link } from './link.js';
import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import type { PageEngine } from './page-engine.js';
import { PauseDeadline } from './pause-deadline.js';
import { Pump } from './pump.js';
import { Reconciliation } from './reconciliation.js';
import type { TransferSummary } from './report.js';
import { SerialWork } from './serial-work.js';
import { type Accepted, changesSinceOffer, cpuShareOf } from './source-plan.js';
import type { SourceEvent } from './source-states.js';
import { StateSender } from './state-sender.js';

export interface TransferDeps {
  readonly guest: Guest;
  readonly control: GuestControl;
  readonly engine: PageEngine;
  readonly link: Link;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly options: ResolvedOptions;
  readonly session: Uint8Array;
  readonly maxStateBytes: number;
  /** The destination takes rehearsed states. */
  readonly rehearsals: boolean;
  /** Tells the source machine what happened. */
  readonly feed: (event: SourceEvent) => void;
  readonly emit: (event: MigrationEvent) => void;
}

/** What both ends must agree on. */
interface Transcript {
  readonly finalSeqs: readonly number[];
  readonly digest: Uint8Array;
}

const progressEveryMs = 100;

/**
 * The source's work between ACCEPT and COMMIT: live rounds, the pause, the last copy, repairs. One piece of work at a time; `stop` ends
 * the one under way and voids those that wait.
 */
export class Transfer {
  readonly #deps: TransferDeps;
  readonly #pump: Pump;
  readonly reconciliation: Reconciliation;
  readonly #states: StateSender;
  readonly #work: SerialWork;
  #link: Link;
  #generation = 0;
  #timer: PauseTimer | undefined;
  #running: Running | undefined;
  readonly #deadline: PauseDeadline;
  #state: Uint8Array = new Uint8Array(0);
  #digest: Uint8Array = new Uint8Array(0);
  readonly #costs = new GuestCosts();
  #predictedMs: number | null = null;
  #prediction: Prediction | null = null;
  #liveRounds = 0;
  #progressAt = 0;
  #retreats = 0;

  constructor(deps: TransferDeps) {
    this.#deps = deps;
    this.#link = deps.link;
    this.#deadline = new PauseDeadline(deps.clock);
    this.#work = new SerialWork((error) => {
      deps.feed({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
    });
    this.#pump = new Pump({
      ...deps,
      cpuShare: cpuShareOf(deps.guest, deps.options),
      costs: this.#costs,
    });
    this.#states = new StateSender({
      ...deps,
      costs: this.#costs,
      rehearsals: deps.rehearsals && deps.guest.rehearsable === true && this.#pausable,
      send: (message) => this.#pump.sendState(message),
    });
    this.reconciliation = new Reconciliation({
      ...deps,
      pump: this.#pump,
      work: this.#work,
      send: (message) => this.#link.send(message),
      repaired: async (live) => {
        if (await this.#pump.copyDirty(live)) await this.#agree('repaired', live);
      },
    });
  }

  /** Counts the switchovers tried, from 1. */
  get generation(): number {
    return this.#generation;
  }

  /** Pages of all regions, as last looked at. */
  get totalPages(): number {
    return this.#deps.engine.totalPages;
  }

  /** The channels that pages leave on. */
  get lanes(): Lanes {
    return this.#pump.lanes;
  }

  /** The connection of a page channel is there. */
  open(channel: number, link: Link): void {
    this.#pump.open(channel, link);
  }

  acknowledged(channel: number, seq: number, rereadPages: number): void {
    this.#pump.acknowledged(channel, seq, rereadPages);
  }

  /** The destination loaded a rehearsed state in so many milliseconds. False if there is none that it could have loaded. */
  rehearsed(loadMs: number): boolean {
    if (!this.#states.hasRehearsed) return false;
    this.#costs.loadMs.add(loadMs);
    return true;
  }

  /** The destination took the offer. Before anything else. */
  begin(accepted: Accepted): void {
    const { offer, offered, bases } = accepted;
    const { engine, guest } = this.#deps;
    const { regions } = guest;
    for (const region of regions) {
      const at = offered.indexOf(region);
      // What appears is all zero.
      engine.setBase(region.id, at < 0 ? 'zero' : (bases[at] ?? 'unknown'));
    }
    for (const change of changesSinceOffer(offer, offered, regions)) this.#pump.announce(change);
    this.reconciliation.begin(accepted, regions);
  }

  /** As `begin`, of a destination that knows nothing of what was sent, on `link`. Once what was under way has ended `ready` is told, with all its pages. */
  beginAgain(link: Link, accepted: Accepted, ready: (lostPages: number) => void): void {
    this.#work.run(async () => {
      this.#link = link;
      this.#pump.beginAgain(link);
      this.#states.forget();
      this.reconciliation.forget();
      const changes = await this.#deps.engine.syncRegions(this.#deps.guest.regions);
      // What is there and was never offered is told below; what is gone, only here.
      for (const { id, name, byteLength } of changes) {
        if (byteLength < 0) this.#pump.announce({ type: 'REGION', id, name, byteLength });
      }
      this.begin(accepted);
      ready(this.totalPages);
    });
  }

  /**
   * The destination is back, on `link`, and has what was sent on the control channel up to `appliedSeq`. Once what was under way has ended `ready` is
   * told how many pages may be lost; then rounds may go on.
   */
  goOn(link: Link, appliedSeq: number, ready: (lostPages: number) => void): void {
    this.#work.run(() => {
      this.#link = link;
      const lostPages = this.#pump.reopen(link, appliedSeq);
      this.#states.forget();
      this.reconciliation.forget();
      ready(lostPages);
      return Promise.resolve();
    });
  }

  /** Ends what is under way between two frames. */
  stop(): void {
    this.#work.stop();
    this.#deadline.cancel();
  }

  /** Nothing more will be captured. */
  async close(): Promise<void> {
    await this.#deps.engine.close?.();
  }

  round(): void {
    this.#work.run(async (live) => {
      const outcome = await this.#pump.round(
        live,
        () => this.#progress(),
        (round, follow) =>
          this.#states.rehearse(round, { follow, room: () => this.#pump.roomForState(live) }),
      );
      if (outcome === undefined || !live()) return;
      this.#liveRounds += 1;
      this.#predictedMs = outcome.predictedDowntimeMs;
      this.#deps.emit({
        type: 'round',
        round: outcome.round,
        pagesSent: outcome.pagesSent,
        sentBytes: outcome.sentBytes,
        dirtyPages: outcome.dirtyPages,
        durationMs: outcome.durationMs,
        predictedDowntimeMs: outcome.predictedDowntimeMs,
        workMs: outcome.workMs,
        predictedWorkMs: outcome.predictedWorkMs,
        bytesPerSecond: this.#deps.meter.bytesPerSecond ?? null,
      });
      this.#deps.feed({ type: 'round-ended', outcome });
    });
  }

  /** Stops the guest. Unless `forced`, a deadline runs from here on. */
  pause(forced: boolean): void {
    const { guest, control, clock, options } = this.#deps;
    this.#generation += 1;
    this.reconciliation.forget();
    this.#work.run(async (live) => {
      this.#deps.emit({
        type: 'switchover',
        predictedDowntimeMs: this.#pausable ? this.#predictedMs : null,
        forced,
      });
      if (!this.#pausable) {
        if (guest.motion === 'still') await control.pause();
        if (live()) this.#deps.feed({ type: 'paused' });
        return;
      }
      // Whoever listens to the event gets its turn now, not while the guest stands still.
      await clock.turn();
      if (!live()) return;
      this.#prediction = this.#pump.forecast.prediction();
      this.#timer = new PauseTimer(clock);
      if (!forced) {
        this.#deadline.begin(options.maxDowntimeMs, this.#wayToRunningMs, () => {
          if (live()) this.#overrun();
        });
      }
      await control.pause();
      this.#timer.mark('paused');
      this.#costs.pauseMs.add(this.#timer.elapsedMs);
      if (live()) this.#deps.feed({ type: 'paused' });
    });
  }

  lastCopy(): void {
    const { control } = this.#deps;
    this.#work.run(async (live) => {
      if (this.#pausable) {
        await control.release();
        const inTime = (): boolean => {
          if (!live()) return false;
          // What is still to be sent, and the way of READY, take longer than there is.
          const neededMs = this.#pump.remainingMs() + this.#deps.meter.rttMs;
          if (!this.#deadline.isMissedIn(neededMs)) return true;
          this.#overrun();
          return false;
        };
        if (!(await this.#pump.lastCopy(inTime))) return;
        this.#timer?.mark('pages-sent');
      }
      const state = await this.#states.send(live);
      if (state === undefined) return;
      this.#state = state;
      this.#timer?.mark('prepared');
      await this.#agree('last-copied', live);
    });
  }

  /** A page channel was lost behind PREPARE: what it did not bring is sent again. */
  resend(): void {
    this.#work.run(async (live) => {
      if (await this.#pump.copyDirty(live)) await this.#agree('resent', live);
    });
  }

  /** READY is not here in time. */
  readyIsLate(): void {
    this.#overrun();
  }

  /** READY is here and COMMIT leaves: from now on nobody gives the pause back. */
  committed(): void {
    this.#deadline.cancel();
    this.#timer?.mark('committed');
  }

  /** What is only copied runs on here: its pause is over. */
  ranOn(): void {
    this.#timer?.mark('ran-on');
  }

  /** RUNNING was read at `at`, for the digest that was committed. */
  runs(running: Running, at: number): void {
    this.#timer?.mark('running', at);
    this.#running = running;
  }

  /** The numbers this part of the report knows; undefined before RUNNING. */
  summary(): TransferSummary | undefined {
    if (this.#running === undefined) return undefined;
    return {
      rounds: this.#liveRounds,
      retreats: this.#retreats,
      totalPages: this.totalPages,
      tally: this.#pump.tally,
      lastRoundPages: this.#pump.lastRoundPages,
      downtime: this.#timer?.account(this.#running) ?? null,
      predictedDowntimeMs: this.#pausable ? this.#predictedMs : null,
      prediction: this.#prediction,
      repaired: this.reconciliation.repairedPages,
      digest: this.#digest,
    };
  }

  get #pausable(): boolean {
    return (this.#deps.guest.motion ?? 'pausable') === 'pausable';
  }

  /** Everything was sent: says so, with what both ends must agree on. What was on channels that are lost until then is sent again. */
  async #agree(what: 'last-copied' | 'repaired' | 'resent', live: () => boolean): Promise<void> {
    let transcript = await this.#transcript();
    while (live() && !this.lanes.isSwept) {
      if (!(await this.#pump.copyDirty(live))) return;
      transcript = await this.#transcript();
    }
    if (live()) this.#deps.feed({ type: what, ...transcript });
  }

  async #transcript(): Promise<Transcript> {
    const { engine, session } = this.#deps;
    const { finalSeqs } = this.lanes;
    this.#digest = digestOf({
      session,
      generation: this.#generation,
      regions: await engine.roots(),
      finalSeqs,
      state: this.#state,
    });
    return { finalSeqs, digest: this.#digest };
  }

  /** READY is too late, whatever timer has not fired yet: COMMIT would make the pause longer than was promised. */
  get isOverdue(): boolean {
    return this.#deadline.isMissedIn(0);
  }

  /** From COMMIT to RUNNING: nothing can be given back any more. What is only copied runs on at COMMIT. */
  get #wayToRunningMs(): number {
    return this.#deps.guest.handsOver === false ? 0 : this.#deps.meter.rttMs;
  }

  #overrun(): void {
    this.#deadline.cancel();
    const elapsedMs = this.#timer?.elapsedMs ?? 0;
    this.#retreats += 1;
    this.#pump.forecast.distrust();
    this.#deps.emit({ type: 'retreated', elapsedMs, limitMs: this.#deps.options.maxDowntimeMs });
    this.#deps.feed({ type: 'overrun', elapsedMs });
  }

  #progress(): void {
    const now = this.#deps.clock.now();
    if (now - this.#progressAt < progressEveryMs) return;
    this.#progressAt = now;
    const { engine } = this.#deps;
    this.#deps.emit({
      type: 'progress',
      sentBytes: this.#pump.tally.bytes,
      examinedPages: engine.totalPages - engine.dirtyPages,
      totalPages: engine.totalPages,
    });
  }
}
