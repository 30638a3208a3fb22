import { DirtyCurve } from './dirty-curve.js';
import type { Prediction } from './events.js';
import type { GuestCosts } from './guest-costs.js';
import type { Meter } from './meter.js';
import { type PausePrediction, predictCopyMs, predictPause } from './prediction.js';
import { Samples } from './samples.js';
import type { Expected, WireSizes } from './wire-sizes.js';

/** What one live round measured. */
export interface RoundFacts {
  readonly round: number;
  /** Time spent looking at pages and encoding them, and the pages looked at. */
  readonly captureMs: number;
  readonly examinedPages: number;
  /** Pages a millisecond, of those that were found unchanged; undefined where there were too few. */
  readonly scanPagesPerMs: number | undefined;
  readonly sentPages: number;
  /** From begin to end; `workMs` leaves out what was given away: to the guest, to the ceiling of the rate, to the shortest round. */
  readonly durationMs: number;
  readonly workMs: number;
  /** From the first page looked at to the last. */
  readonly sweepMs: number;
  /** Time to compute the hash trees here. */
  readonly treeMs: number;
  readonly totalPages: number;
  /** Whether the round looked at pages that nobody had named; and how many of them the last copy will look at. */
  readonly scanned: boolean;
  readonly scanPages: number;
  /** Pages the destination has still to read again. */
  readonly rereadPages: number;
  /** What is dirty now; only where the tracker is exact. */
  readonly dirty: Expected | undefined;
}

export interface ForecastDeps {
  readonly meter: Meter;
  readonly sizes: Pick<WireSizes, 'fade' | 'ofCount'>;
  readonly costs: GuestCosts;
  /** The guest's tracker knows which pages are dirty. */
  readonly exact: boolean;
  /** Of the last round, which takes pages in other portions than live ones. */
  readonly lastFrame: { readonly bytes: number; readonly pages: number };
  /** Ways there and back until the pause is over. */
  readonly roundTrips: number;
}

/** A round lasts at least this long: shorter ones only measure noise. */
export const shortestRoundMs = 20;
const smoothing = 0.4;
/** Of a later round's time at least so much goes into looking at pages, whatever encoding is said to cost. */
const leastScanShare = 0.25;
/** Predictions and measurements are compared with so much added to both: below it they only measure noise. */
const noiseMs = 1;
const scoresKept = 16;
const leastScale = 0.8;
const mostScale = 3;
const mostCaution = 8;
/** What a destination reads again, pages a millisecond; nobody tells. */
export const rereadPagesPerMs = 3000;
/** SHA-256 over transcripts, promises kept, timers set: what a switchover of nothing takes beside its round trips. */
const ceremonyMs = 1;

/** Learns from each live round what the next one, the pause now, and the pause after one more round would take. */
export class Forecast {
  readonly #deps: ForecastDeps;
  readonly #curve = new DirtyCurve();
  readonly #scores = new Samples(scoresKept);
  #encodeMsPerPage = 0.001;
  #scanPagesPerMs = 1000;
  #hasScanned = false;
  /** Of the pages a tracker names, so many prove to have changed. */
  #sentShare = 1;
  #treeMs = 0.1;
  #totalPages = 0;
  #scanPages = 0;
  #rereadPages = 0;
  #dirty: Expected = { pages: 0, bytes: 0 };
  #rounds = 0;
  #roundMs = shortestRoundMs;
  #sweepMs = 0;
  /** Pages the round under way was expected to look at; undefined where the tracker cannot know. */
  #duePages: number | undefined;
  #shortestMs = Number.POSITIVE_INFINITY;
  #predictedMs: number | undefined;
  #caution = 1;

  constructor(deps: ForecastDeps) {
    this.#deps = deps;
  }

  /** Pages known, or to be expected, to be dirty if the guest stopped now. */
  get dirtyPages(): number {
    return Math.round(this.#dirty.pages);
  }

  /**
   * A round begins; `dirty`: what it will send, where that is known. Returns what its work should take, milliseconds; undefined
   * while nothing is known.
   */
  begin(dirty: Expected | undefined): number | undefined {
    const { sizes, meter } = this.#deps;
    sizes.fade();
    this.#duePages = dirty?.pages;
    const due = dirty ?? (this.#curve.isKnown ? this.#after(this.#roundMs, 0) : undefined);
    this.#predictedMs =
      due === undefined || this.#rounds === 0
        ? undefined
        : this.#copyMs(due, { bytes: meter.frameBytes, pages: 64 }) + meter.rttMs;
    return this.#predictedMs;
  }

  /** Measured by predicted, of the round that ended last; undefined where it was not predicted. */
  learn(facts: RoundFacts): number | undefined {
    const { round, captureMs, sentPages, durationMs, sweepMs } = facts;
    this.#totalPages = facts.totalPages;
    this.#scanPages = facts.scanPages;
    this.#treeMs = facts.treeMs;
    this.#rereadPages = facts.rereadPages;
    if (facts.dirty !== undefined) {
      const toward = (old: number, measured: number): number => old + smoothing * (measured - old);
      if (facts.scanned) this.#splitCapture(facts);
      else if (sentPages > 0)
        this.#encodeMsPerPage = toward(this.#encodeMsPerPage, captureMs / sentPages);
      if (round > 1 && this.#duePages !== undefined && this.#duePages > 0) {
        this.#sentShare = toward(this.#sentShare, Math.min(1, sentPages / this.#duePages));
      }
      this.#curve.learn(durationMs, facts.dirty.pages);
      this.#dirty = facts.dirty;
    } else {
      this.#splitCapture(facts);
      // What this round found was written since the round before looked: each page at its place in both sweeps.
      if (round > 1) this.#curve.learn(this.#roundMs + (sweepMs - this.#sweepMs) / 2, sentPages);
      this.#dirty =
        round > 1 ? this.#after(durationMs, sweepMs) : this.#deps.sizes.ofCount(this.#totalPages);
    }
    this.#rounds = round;
    this.#roundMs = durationMs;
    this.#sweepMs = sweepMs;
    if (round > 1) this.#shortestMs = Math.min(this.#shortestMs, durationMs);
    if (this.#predictedMs === undefined) return undefined;
    const score = (facts.workMs + noiseMs) / (this.#predictedMs + noiseMs);
    this.#scores.add(score);
    return score;
  }

  /**
   * A tracker that is not exact has every page looked at, and some of them encoded. The first pass encodes nearly all and so tells what
   * that costs at most: its pages go whole, into memory that is touched for the first time. Later ones tell what looking costs, of which the
   * quickest counts: the last round has little else to do; and that encoding costs less, where less time was left for it.
   */
  #splitCapture(facts: RoundFacts): void {
    const { round, captureMs, examinedPages, sentPages } = facts;
    if (examinedPages === 0 || captureMs === 0) return;
    if (round === 1) {
      this.#encodeMsPerPage = captureMs / Math.max(1, sentPages);
      this.#scanPagesPerMs = examinedPages / captureMs;
      return;
    }
    if (facts.scanPagesPerMs !== undefined) {
      this.#learnScan(facts.scanPagesPerMs, facts);
      return;
    }
    const forPagesMs = captureMs * (1 - leastScanShare);
    if (sentPages > 0)
      this.#encodeMsPerPage = Math.min(this.#encodeMsPerPage, forPagesMs / sentPages);
    const atMostMs = captureMs / examinedPages;
    const scanMs = (captureMs - sentPages * this.#encodeMsPerPage) / examinedPages;
    const scanMsPerPage = Math.max(scanMs, atMostMs * leastScanShare);
    this.#scanPagesPerMs = Math.max(this.#scanPagesPerMs, 1 / scanMsPerPage);
  }

  /** What looking costs is known, so that the rest is encoding. Again the quickest counts. */
  #learnScan(pagesPerMs: number, { captureMs, examinedPages, sentPages }: RoundFacts): void {
    this.#scanPagesPerMs = this.#hasScanned
      ? Math.max(this.#scanPagesPerMs, pagesPerMs)
      : pagesPerMs;
    this.#hasScanned = true;
    const encodeMs = Math.max(0, captureMs - examinedPages / pagesPerMs);
    if (sentPages > 0)
      this.#encodeMsPerPage = Math.min(this.#encodeMsPerPage, encodeMs / sentPages);
  }

  /** A pause took longer than predicted: the next prediction has to earn back the trust. */
  distrust(): void {
    this.#caution = Math.min(mostCaution, this.#caution * 1.5);
  }

  /** The p90 of measured by predicted over the last rounds, between 0.8 and 3: what the copy of a pause is multiplied by. */
  get scale(): number {
    const p90 = this.#scores.quantile(0.9) ?? 1;
    return Math.min(mostScale, Math.max(leastScale, p90));
  }

  /** The pause to expect if the guest stopped now. */
  pause(): PausePrediction {
    return this.#pauseWith(this.#dirty);
  }

  /** The same with what it rests on, for the report. */
  prediction(): Prediction {
    return {
      ...this.pause(),
      pages: this.dirtyPages,
      wireBytes: this.#dirty.bytes * this.#sentShare,
      scale: this.scale,
      roundsScored: this.#scores.count,
      medianScore: this.#scores.quantile(0.5) ?? null,
    };
  }

  /**
   * The pause to expect after one more round, milliseconds; 0 where too little is known, so that one is made: without exact marks the
   * first round tells nothing about what changes, and the second what changed in all of the first.
   */
  nextPauseMs(): number {
    const { exact, meter } = this.#deps;
    // What an exact tracker did not see is looked for in the second round.
    const leastRounds = exact ? (this.#scanPages > 0 ? 2 : 1) : 3;
    if (!this.#curve.isKnown || this.#rounds < leastRounds) return 0;
    const workMs = this.#copyMs(this.#dirty, { bytes: meter.frameBytes, pages: 64 });
    const fixedMs = exact ? 0 : Math.min(this.#shortestMs, this.#roundMs);
    const roundMs = Math.max(shortestRoundMs, 2 * meter.rttMs, workMs, fixedMs);
    return this.#pauseWith(this.#after(roundMs, exact ? 0 : workMs)).totalMs;
  }

  /** Milliseconds that `dirtyPages`, of the size of those that were sent again, and what is in flight still need on the link. */
  linkMs(dirtyPages: number): number {
    const { meter, sizes } = this.#deps;
    const rate = meter.bytesPerSecond;
    const bytes = sizes.ofCount(dirtyPages).bytes * this.#sentShare + meter.inFlightBytes;
    return rate === undefined ? 0 : (bytes / rate) * 1000;
  }

  /** What was written since a sweep that began `ms` ago and took `sweepMs` looked at each page (by Simpson's rule). */
  #after(ms: number, sweepMs: number): Expected {
    const curve = this.#curve;
    const middle = curve.expected(ms - sweepMs / 2);
    const pages = (curve.expected(ms) + 4 * middle + curve.expected(ms - sweepMs)) / 6;
    return this.#deps.sizes.ofCount(Math.min(this.#totalPages, pages));
  }

  #copyMs(dirty: Expected, frame: { readonly bytes: number; readonly pages: number }): number {
    return predictCopyMs(this.#copyInputs(dirty, frame));
  }

  #copyInputs(dirty: Expected, frame: { readonly bytes: number; readonly pages: number }) {
    const { meter } = this.#deps;
    return {
      pages: dirty.pages,
      wireBytes: dirty.bytes * this.#sentShare + meter.inFlightBytes,
      scanPages: this.#deps.exact ? 0 : this.#scanPages,
      scanPagesPerMs: this.#scanPagesPerMs,
      encodeMsPerPage: this.#encodeMsPerPage,
      applyMsPerPage: meter.appliedMsPerPage,
      bytesPerSecond: meter.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      frameBytes: frame.bytes,
      framePages: frame.pages,
    };
  }

  #pauseWith(dirty: Expected): PausePrediction {
    const { meter, costs, lastFrame, roundTrips } = this.#deps;
    const rereadPages = Math.min(this.#totalPages, this.#rereadPages + dirty.pages);
    const copy = { ...this.#copyInputs(dirty, lastFrame), scanPages: this.#scanPages };
    return predictPause({
      pauseMs: costs.pauseMs.quantile(0.95) ?? 0,
      copy: { ...copy, wireBytes: copy.wireBytes + costs.stateBytes },
      saveMs: costs.saveMs.quantile(0.95) ?? 0,
      loadMs: costs.loadMs.quantile(0.95) ?? 0,
      verifyMs: 2 * this.#treeMs + rereadPages / rereadPagesPerMs + ceremonyMs,
      rttMs: meter.rttMs,
      roundTrips,
      scale: this.scale,
      caution: this.#caution,
    });
  }
}
