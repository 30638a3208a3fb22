import type { Guest } from '../guests/guest.js';
import type { RegionChange, StateChunk, StateDelta } from '../protocol/messages.js';
import { type Clock, sleep } from './clock.js';
import type { RoundOutcome } from './convergence.js';
import { Forecast, shortestRoundMs } from './forecast.js';
import type { GuestCosts } from './guest-costs.js';
import type { Look } from './held-comparison.js';
import { Lanes } from './lanes.js';
import { lastScanPagesOf, scansInRound } from './last-scan.js';
import type { Link } from './link.js';
import type { Meter } from './meter.js';
import { type ResolvedOptions, sumsPages } from './options.js';
import type { PageEngine } from './page-engine.js';
import { PageSender } from './page-sender.js';
import { PatchPolicy } from './patch-policy.js';
import { largeStepPages, lastFrameBytes, portionsOf, stepPages } from './portions.js';
import { type RoundTimes, RoundWatch } from './round-watch.js';
import { ShadowPolicy } from './shadow-policy.js';
import { Slices } from './slices.js';
import type { Tally } from './tally.js';
import { pagesOf } from './unacknowledged.js';
import { type Expected, WireSizes } from './wire-sizes.js';

/**
 * Pages the destination may still have to re-read when the guest stops: what the last rounds brought is re-read while paused, at
 * some 3,000 pages a millisecond.
 */
const rereadSlack = 1024;

export interface RoundStats extends RoundOutcome {
  /** Known dirty now; where the tracker cannot know, what this round found changed. */
  readonly dirtyPages: number;
  readonly sentBytes: number;
  /** What its work took, the time given away left out; and what that was predicted to be, before; null where it was not. */
  readonly workMs: number;
  readonly predictedWorkMs: number | null;
}

/**
 * Moves dirty pages into the link: live rounds, in slices, within the window and the byte budget; and the last, paused copy, as fast as it
 * goes. Ends between two frames once its caller's `live` says no.
 */
export class Pump {
  readonly #engine: PageEngine;
  readonly #guest: Guest;
  readonly lanes: Lanes;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #sender: PageSender;
  readonly #patches: PatchPolicy;
  readonly #shadows: ShadowPolicy;
  readonly #slices: Slices;
  readonly #options: ResolvedOptions;
  readonly #stepPages: number;
  readonly #lastStepPages: number;
  readonly #sizes = new WireSizes();
  readonly forecast: Forecast;
  #round = 0;
  #rereadPages = 0;
  #lastPages = 0;
  #hasCompared = false;

  constructor(deps: {
    readonly engine: PageEngine;
    readonly guest: Guest;
    readonly link: Link;
    readonly clock: Clock;
    readonly meter: Meter;
    readonly options: ResolvedOptions;
    readonly cpuShare: number;
    readonly costs: GuestCosts;
  }) {
    this.#engine = deps.engine;
    this.#guest = deps.guest;
    this.lanes = new Lanes(deps.link, {
      ...deps,
      channels: deps.options.connections,
      onClosed: (channel, tables) => this.#giveOver(channel, tables),
    });
    this.#clock = deps.clock;
    this.#meter = deps.meter;
    this.#patches = new PatchPolicy(deps.options, deps.meter);
    this.#shadows = new ShadowPolicy(deps.options, deps.meter);
    this.#slices = new Slices(deps.clock, deps.cpuShare);
    this.#sender = new PageSender({
      ...deps,
      lanes: this.lanes,
      share: () => this.#slices.got,
    });
    this.#options = deps.options;
    this.#prepare(deps.link);
    const { exact, unseen } = deps.guest.tracker;
    const handsOver = deps.guest.handsOver ?? true;
    this.#stepPages = portionsOf(exact, handsOver).live;
    this.#lastStepPages = portionsOf(exact && unseen === undefined, handsOver).last;
    this.forecast = new Forecast({
      ...deps,
      sizes: this.#sizes,
      exact,
      lastFrame: { bytes: lastFrameBytes, pages: this.#lastStepPages },
      // Of what is only copied the pause is over at COMMIT.
      roundTrips: deps.guest.handsOver === false ? 1 : 2,
    });
  }

  get tally(): Tally {
    return this.#sender.tally;
  }

  /** The connection of `channel` is there: its pages may leave. */
  open(channel: number, link: Link): void {
    this.#prepare(link);
    this.lanes.open(channel, link);
  }

  /** See `Lanes.reopen`: what the destination may not have will be sent again, and nothing is taken for its base. Gives the number of these pages. */
  reopen(link: Link, appliedSeq: number): number {
    this.#prepare(link);
    const { tables, changes } = this.lanes.reopen(link, appliedSeq);
    for (const change of changes) this.announce(change);
    for (const table of tables) this.#engine.forget(table);
    this.#engine.clearRing?.();
    return pagesOf(tables);
  }

  /** The destination was started again: nothing of what was sent is there. */
  beginAgain(link: Link): void {
    this.#prepare(link);
    this.lanes.reopen(link, 0);
    this.#engine.clearRing?.();
  }

  /** See `CaptureEngine.look`; leaves the guest its share of the thread. */
  look: Look = async (...pages) => {
    this.#hasCompared = true;
    const looked = (await this.#engine.look?.(...pages)) ?? false;
    await this.#slices.breathe();
    return looked;
  };

  /** What a lost channel did not bring will be sent again, and nothing is taken for its base; all its pages go on the others. */
  #giveOver(channel: number, tables: readonly Uint8Array[]): void | Promise<void> {
    for (const table of tables) this.#engine.forget(table);
    return this.#engine.freeClaims(channel);
  }

  #prepare(link: Link): void {
    link.checksumOf = (bytes) => this.#engine.checksum(bytes);
    link.sumsPages = sumsPages(this.#options, link.peer !== undefined);
  }

  acknowledged(channel: number, seq: number, rereadPages: number): void {
    this.lanes.acknowledged(channel, seq);
    this.#rereadPages = rereadPages;
  }

  /** The round under way looks at pages that nobody named. */
  get #scans(): boolean {
    return scansInRound(this.#round, this.#guest);
  }

  /**
   * One live round: what was dirty when it began is sent and acknowledged, then what `rehearse` sends, which may tell what became of the regions first. Undefined
   * if it ended early. `onStep` is called as it goes, for progress.
   */
  async round(
    live: () => boolean,
    onStep: () => void,
    rehearse: (round: number, follow: () => Promise<boolean>) => Promise<void>,
  ): Promise<RoundStats | undefined> {
    this.#round += 1;
    const watch = new RoundWatch(this.#clock, () => this.#slices.givenMs);
    const before = { pages: this.tally.pages, bytes: this.tally.bytes };
    if (!(await this.#followRegions(live))) return undefined;
    const isFirst = this.#round === 1 && !this.#hasCompared;
    await (isFirst ? this.#engine.markAll() : this.#engine.takeDirty(this.#scans));
    const due = this.#scans ? undefined : this.#dirty();
    const predictedWorkMs = this.forecast.begin(due) ?? null;
    do {
      if (!(await this.#sweep(live, onStep, watch))) return undefined;
      watch.swept();
      this.lanes.endRound(this.#round);
      if (!(await this.lanes.quiet(live, () => this.#index()))) return undefined;
      // What was on a channel that was lost meanwhile goes once more.
    } while (!this.lanes.isSwept);
    watch.delivered();
    await rehearse(this.#round, () => this.#followRegions(live));
    if (!(await this.lanes.quiet(live))) return undefined;
    if (!(await this.#rest(live, watch))) return undefined;
    return await this.#outcome(watch.times(), {
      pages: this.tally.pages - before.pages,
      bytes: this.tally.bytes - before.bytes,
      predictedWorkMs,
    });
  }

  /** Sends what is dirty, in slices, until there is nothing left. False if it ended early. */
  async #sweep(live: () => boolean, onStep: () => void, watch: RoundWatch): Promise<boolean> {
    const mostPages = this.#scans ? largeStepPages : this.#stepPages;
    for (this.lanes.beginSweep(); ; ) {
      const channel = await this.lanes.next(live, () => this.#index());
      if (channel === undefined) return live() && this.lanes.isOpen;
      this.#engine.tryPatches?.(this.#patches.tryCost(false));
      this.#engine.keepShadows?.(this.#shadows.kept(false));
      const from = this.#clock.now();
      const step = await this.#engine.capture({
        channel,
        maxPayloadBytes: this.#sender.frameBytes,
        maxPages: mostPages,
        paused: false,
      });
      const frame = step.frame && this.#sender.packed(step.frame, from, false);
      watch.captured(from, step.examinedPages, frame?.pageCount ?? 0);
      if (step.exhausted) this.lanes.swept(channel);
      if (frame !== undefined) {
        if (!(await watch.idle(this.#sender.mayLeave(frame, live)))) return false;
        this.#sender.send(channel, frame, this.#round);
        if (this.#round > 1) this.#sizes.note(frame);
      }
      if (this.#engine.auditPagesLeft > 0 && this.#round > 1)
        await watch.idle(this.#engine.audit(stepPages));
      onStep();
      await this.#slices.breathe();
    }
  }

  /** The paused copy: growth, every page still dirty, the rest of the audit. False if it ended early. */
  async lastCopy(live: () => boolean): Promise<boolean> {
    const before = this.tally.pages;
    if (!(await this.#followRegions(live))) return false;
    await this.#engine.takeDirty(true);
    if (!(await this.copyDirty(live))) return false;
    await this.#engine.settleAudit();
    this.#lastPages = this.tally.pages - before;
    return live();
  }

  /** Sends every page that is marked, as fast as it goes; the guest is paused. False if it ended early. */
  async copyDirty(live: () => boolean): Promise<boolean> {
    this.#engine.tryPatches?.(this.#patches.tryCost(true));
    this.#engine.keepShadows?.(this.#shadows.kept(true));
    for (this.lanes.beginSweep(); ; ) {
      const channel = await this.lanes.next(live);
      if (channel === undefined) return live() && this.lanes.isOpen;
      const from = this.#clock.now();
      const step = await this.#engine.capture({
        channel,
        maxPayloadBytes: lastFrameBytes,
        maxPages: this.#lastStepPages,
        paused: true,
      });
      if (step.exhausted) this.lanes.swept(channel);
      if (step.frame === undefined) continue;
      this.#sender.send(channel, this.#sender.packed(step.frame, from, true), this.#round);
    }
  }

  /** A piece of the guest's state. */
  sendState(message: StateChunk | StateDelta): void {
    this.lanes.sendState(message, this.#round);
  }

  /** Waits until a piece of state may leave while rounds go on. False if there is no point any more. */
  roomForState(live: () => boolean): Promise<boolean> {
    return this.lanes.room(live);
  }

  get lastRoundPages(): number {
    return this.#lastPages;
  }

  /** Milliseconds the pages still dirty need on the link; 0 where the tracker cannot know them. */
  remainingMs(): number {
    return this.#guest.tracker.exact ? this.forecast.linkMs(this.#engine.dirtyPages) : 0;
  }

  /** Tells the destination that a region grew, appeared or vanished; pages may follow. */
  announce(change: RegionChange): void {
    this.lanes.sendRegion(change, this.#round);
  }

  /**
   * Before a sweep: announces what happened to the regions. On several channels nothing of them overtakes that, nor is overtaken by it; and from here on
   * each channel takes what is next.
   */
  async #followRegions(live: () => boolean): Promise<boolean> {
    const isAlone = this.lanes.count === 1;
    if (!isAlone) {
      if (!(await this.lanes.quiet(live))) return false;
      // Nothing is under way: each page may go on any channel, and a delta finds its base wherever it goes.
      await this.#engine.freeClaims();
    }
    const changes = await this.#engine.syncRegions(this.#guest.regions);
    for (const change of changes) this.announce({ type: 'REGION', ...change });
    return isAlone || changes.length === 0 || this.lanes.quiet(live);
  }

  /** Uses a moment in which the link is waited for. Returns how many pages there were to index. */
  #index(): number {
    return this.#patches.pays(false) ? (this.#engine.indexPages?.(stepPages) ?? 0) : 0;
  }

  #renewsIndex(): boolean {
    return this.#patches.pays(false) && this.#engine.renewIndex?.() === true;
  }

  /** Until the round lasted long enough, the last copy has its memory and, from round 2 on, the audit is through. */
  async #rest(live: () => boolean, watch: RoundWatch): Promise<boolean> {
    while (live() && this.lanes.isOpen && (this.#index() > 0 || this.#renewsIndex())) {
      await this.#slices.breathe();
    }
    while (live() && this.lanes.isOpen && this.#engine.provide?.() === true) {
      await this.#slices.breathe();
    }
    // Pages of regions that were told of since the sweep are dirty: no audit is due for what was never sent.
    const due = () => this.#engine.auditPagesLeft > this.#engine.dirtyPages;
    while (live() && this.lanes.isOpen && this.#round > 1 && due()) {
      await this.#engine.audit(this.#stepPages);
      await this.#slices.breathe();
    }
    if (this.#guest.motion !== 'still' && this.#round > 1) {
      const restMs = Math.max(shortestRoundMs, 2 * this.#meter.rttMs) - watch.elapsedMs;
      if (restMs > 0) await sleep(this.#clock, restMs);
    }
    return live() && this.lanes.isOpen;
  }

  /** What is dirty and what it will be on the wire; undefined where the tracker cannot know. */
  #dirty(): Expected | undefined {
    return this.#guest.tracker.exact ? this.#sizes.ofRuns(this.#engine.dirtyRuns()) : undefined;
  }

  async #outcome(
    times: RoundTimes,
    sent: {
      readonly pages: number;
      readonly bytes: number;
      readonly predictedWorkMs: number | null;
    },
  ): Promise<RoundStats> {
    const treesFrom = this.#clock.now();
    await this.#engine.roots();
    const treeMs = this.#clock.now() - treesFrom;
    if (this.#guest.tracker.exact) await this.#engine.takeDirty();
    this.forecast.learn({
      ...times,
      scanned: this.#scans,
      scanPages: lastScanPagesOf(this.#guest),
      round: this.#round,
      sentPages: sent.pages,
      treeMs,
      totalPages: this.#engine.totalPages,
      rereadPages: this.#rereadPages,
      dirty: this.#dirty(),
    });
    return {
      round: this.#round,
      predictedDowntimeMs: this.forecast.pause().totalMs,
      nextDowntimeMs: this.forecast.nextPauseMs(),
      pagesSent: sent.pages,
      settled:
        this.#engine.auditPagesLeft === 0 && this.#rereadPages <= rereadSlack + 2 * sent.pages,
      dirtyPages: this.forecast.dirtyPages,
      sentBytes: sent.bytes,
      durationMs: times.durationMs,
      workMs: times.workMs,
      predictedWorkMs: sent.predictedWorkMs,
    };
  }
}
