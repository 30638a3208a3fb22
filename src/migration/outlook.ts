import { type ConvergenceLimits, decide, noProgress, type Progress } from './convergence.js';
import { Forecast, rereadPagesPerMs, shortestRoundMs } from './forecast.js';
import { GuestCosts } from './guest-costs.js';
import type { Watched } from './guest-watch.js';
import { KnownLink } from './known-link.js';
import type { Meter } from './meter.js';
import { lastFrameBytes, portionsOf } from './portions.js';
import { predictCopyMs } from './prediction.js';
import type { AssumedLink, Outlook, RoundOutlook } from './prospect.js';
import type { Expected } from './wire-sizes.js';
import { WriteModel } from './write-model.js';

export interface OutlookInputs {
  readonly watched: Watched;
  readonly link: AssumedLink;
  readonly limits: ConvergenceLimits;
  /** The guest's tracker knows what is dirty. */
  readonly exact: boolean;
  /** Pages that the last copy looks at without knowing that they changed. */
  readonly scanPages: number;
  readonly handsOver: boolean;
}

/** Rounds that are followed at most: decisions end a migration long before. */
const mostRounds = 20_000;
const roundsTold = 64;
/** Of what changes now and then: fewer pages than this are more likely none than one. */
const fewPages = Math.LN2;
/** Connecting, greeting, being admitted: round trips. */
const openingTrips = 3;

/** Plays a migration of what was watched, round by round, with the decisions of a real one. */
export function outlookOf(inputs: OutlookInputs): Outlook {
  return new Play(inputs).run();
}

class Play {
  readonly #inputs: OutlookInputs;
  readonly #model: WriteModel;
  readonly #meter: Meter;
  readonly #forecast: Forecast;
  readonly #portions: ReturnType<typeof portionsOf>;
  readonly #perRound: RoundOutlook[] = [];
  #progress: Progress = noProgress;
  #due: Expected;
  /** Share of its speed that the guest has lost. */
  #throttle = 0;
  #roundMs = 0;
  #totalMs: number;
  #pagesSent = 0;
  #bytesSent = 0;

  constructor(inputs: OutlookInputs) {
    const { watched, link, exact, handsOver } = inputs;
    this.#meter = new KnownLink(link);
    this.#portions = portionsOf(exact, handsOver);
    this.#inputs = inputs;
    this.#model = new WriteModel(watched.totalPages, watched.writes);
    this.#due = { pages: watched.firstPages, bytes: watched.firstBytes };
    this.#totalMs = openingTrips * link.rttMs;
    this.#forecast = new Forecast({
      meter: this.#meter,
      sizes: { fade: () => {}, ofCount: (pages) => this.#priced(pages) },
      costs: new GuestCosts(),
      exact,
      lastFrame: { bytes: lastFrameBytes, pages: this.#portions.last },
      roundTrips: handsOver ? 2 : 1,
    });
  }

  run(): Outlook {
    const { limits } = this.#inputs;
    for (let round = 1; round <= mostRounds; round++) {
      const predictedDowntimeMs = this.#round(round);
      const { decision, progress } = decide(
        this.#progress,
        {
          round,
          predictedDowntimeMs,
          nextDowntimeMs: this.#forecast.nextPauseMs(),
          pagesSent: this.#due.pages < fewPages ? 0 : this.#due.pages,
          durationMs: this.#roundMs,
          settled: true,
        },
        limits,
      );
      this.#progress = progress;
      this.#due = this.#written(this.#roundMs);
      if (decision.kind === 'give-up') break;
      if (decision.kind === 'throttle') this.#throttle = decision.fraction;
      if (decision.kind !== 'switchover') continue;
      return limits.motion === 'pausable' ? this.#paused(predictedDowntimeMs) : this.#copied();
    }
    return this.#end(false, null);
  }

  /** Sends what is due. Returns the pause to expect behind it. */
  #round(round: number): number {
    const { watched, link, limits, exact, scanPages } = this.#inputs;
    const due = this.#due;
    // The first pass was made once, as it will be; of those behind it only what they will look at is known.
    const scans = !exact || (scanPages > 0 && round === 2);
    const lookMs = scans && round > 1 ? this.#scanMs : 0;
    const encodeMs = round === 1 ? watched.firstMs : due.pages * watched.encodeMsPerPage;
    const workMs = this.#copyMs(due, lookMs, encodeMs) + link.rttMs;
    const givenMs = round === 1 ? 0 : watched.givenPerMs * (encodeMs + lookMs);
    const isShort = limits.motion !== 'still' && round > 1;
    // An exact tracker's promise is checked in the second round.
    const lastsMs = workMs + givenMs + (round === 2 ? watched.auditMs : 0);
    const roundMs = isShort ? Math.max(shortestRoundMs, 2 * link.rttMs, lastsMs) : lastsMs;
    this.#roundMs = roundMs;
    this.#forecast.begin(exact ? due : undefined);
    this.#forecast.learn({
      round,
      captureMs: due.pages * watched.encodeMsPerPage + lookMs,
      examinedPages: watched.totalPages,
      scanPagesPerMs: scans && round > 1 ? watched.scanPagesPerMs : undefined,
      sentPages: due.pages,
      durationMs: roundMs,
      workMs,
      sweepMs: workMs,
      treeMs: watched.treeMs,
      totalPages: watched.totalPages,
      scanned: scans,
      scanPages,
      rereadPages: 0,
      dirty: exact ? this.#written(roundMs) : undefined,
    });
    this.#add(due, roundMs);
    const predictedDowntimeMs = this.#forecast.pause().totalMs;
    this.#perRound.push({
      round,
      pages: Math.round(due.pages),
      bytes: Math.round(due.bytes),
      durationMs: roundMs,
      predictedDowntimeMs,
    });
    return predictedDowntimeMs;
  }

  #paused(downtimeMs: number): Outlook {
    this.#add(this.#due, downtimeMs);
    return this.#end(true, downtimeMs);
  }

  /** READY, RUNNING, and what the destination has still to read again. */
  #copied(): Outlook {
    const { watched, link } = this.#inputs;
    this.#totalMs += 2 * link.rttMs + watched.totalPages / rereadPagesPerMs;
    return this.#end(true, null);
  }

  #end(converges: boolean, downtimeMs: number | null): Outlook {
    return {
      converges,
      rounds: this.#progress.rounds,
      perRound: this.#perRound.slice(0, roundsTold),
      pagesSent: Math.round(this.#pagesSent),
      bytesSent: Math.round(this.#bytesSent),
      totalMs: this.#totalMs,
      downtimeMs,
    };
  }

  #add({ pages, bytes }: Expected, ms: number): void {
    this.#pagesSent += pages;
    this.#bytesSent += bytes;
    this.#totalMs += ms;
  }

  /** What the guest, slowed as it is, writes within `ms`. */
  #written(ms: number): Expected {
    return this.#priced(this.#model.pagesWithin(ms * (1 - this.#throttle)));
  }

  #priced(pages: number): Expected {
    return { pages, bytes: pages * (this.#model.bytesPerPage(this.#roundMs) ?? 0) };
  }

  /** Looking at every page where that is the only way to know; 0 where it is not. */
  get #scanMs(): number {
    const { watched, scanPages } = this.#inputs;
    return watched.scanPagesPerMs === 0 ? 0 : scanPages / watched.scanPagesPerMs;
  }

  #copyMs({ pages, bytes }: Expected, lookMs: number, encodeMs: number): number {
    const { link } = this.#inputs;
    return predictCopyMs({
      pages,
      wireBytes: bytes,
      scanPages: lookMs,
      scanPagesPerMs: 1,
      encodeMsPerPage: encodeMs / Math.max(1, pages),
      applyMsPerPage: 0,
      bytesPerSecond: link.bytesPerSecond,
      frameBytes: this.#meter.frameBytes,
      framePages: this.#portions.live,
    });
  }
}
