import type { Meter } from './meter.js';
import { predictPauseMs } from './prediction.js';

/** What one live round measured. */
export interface RoundFacts {
  readonly round: number;
  /** Time spent looking at pages and encoding them, and the pages looked at. */
  readonly captureMs: number;
  readonly examinedPages: number;
  readonly sentPages: number;
  readonly sentBytes: number;
  readonly durationMs: number;
  /** Time to compute the hash trees here. */
  readonly treeMs: number;
  readonly totalPages: number;
  /** Pages marked since the round began; only meant where the tracker is exact. */
  readonly markedPages: number;
}

/** A round lasts at least this long: shorter ones only measure noise. */
export const shortestRoundMs = 20;
const smoothing = 0.4;
/** Of a later round's time at least so much goes into looking at pages, whatever encoding is said to cost. */
const leastScanShare = 0.25;
/** Before anything was measured: raw pages. */
const rawPageBytes = 4104;
/** What is known of the state before it was ever saved. */
const guessedStateBytes = 4096;

/** Learns from each live round what the pause would take now, and after one more round. */
export class Forecast {
  readonly #meter: Meter;
  readonly #exact: boolean;
  #bytesPerPage = rawPageBytes;
  #encodeMsPerPage = 0.001;
  #scanPagesPerMs = 1000;
  #treeMs = 0.1;
  #totalPages = 0;
  #dirtyPages = 0;
  #dirtyPagesPerMs: number | undefined;
  #rounds = 0;
  #roundMs = shortestRoundMs;
  #shortestMs = Number.POSITIVE_INFINITY;
  /** How much longer than predicted earlier pauses took. */
  #scale = 1;

  /** `exact`: the guest's tracker knows which pages are dirty. */
  constructor(meter: Meter, exact: boolean) {
    this.#meter = meter;
    this.#exact = exact;
  }

  /** Pages known, or to be expected, to be dirty if the guest stopped now. */
  get dirtyPages(): number {
    return Math.round(this.#dirtyPages);
  }

  learn(facts: RoundFacts): void {
    const { round, captureMs, sentPages, sentBytes, durationMs } = facts;
    const toward = (old: number, measured: number): number => old + smoothing * (measured - old);
    // The first pass sends everything whole: only later rounds say what a changed page costs.
    if (round > 1 && sentPages > 0) {
      const measured = sentBytes / sentPages;
      this.#bytesPerPage = round === 2 ? measured : toward(this.#bytesPerPage, measured);
    }
    if (this.#exact) {
      if (sentPages > 0)
        this.#encodeMsPerPage = toward(this.#encodeMsPerPage, captureMs / sentPages);
      this.#dirtyPages = facts.markedPages;
      this.#dirtyPagesPerMs = facts.markedPages / durationMs;
    } else {
      this.#splitCapture(facts);
      // What this round found was written since the round before looked: in about that round's time.
      if (round > 1) this.#dirtyPagesPerMs = sentPages / this.#roundMs;
      const expected = (this.#dirtyPagesPerMs ?? Number.POSITIVE_INFINITY) * durationMs;
      this.#dirtyPages = Math.min(facts.totalPages, expected);
    }
    this.#rounds = round;
    this.#totalPages = facts.totalPages;
    this.#treeMs = facts.treeMs;
    this.#roundMs = durationMs;
    if (round > 1) this.#shortestMs = Math.min(this.#shortestMs, durationMs);
  }

  /**
   * A tracker that is not exact has every page looked at, and some of them encoded. The first pass encodes nearly all and so tells what
   * that costs; later ones tell what looking costs, of which the quickest counts: the last round has little else to do.
   */
  #splitCapture({ round, captureMs, examinedPages, sentPages }: RoundFacts): void {
    if (examinedPages === 0 || captureMs === 0) return;
    if (round === 1) {
      this.#encodeMsPerPage = captureMs / Math.max(1, sentPages);
      this.#scanPagesPerMs = examinedPages / captureMs;
      return;
    }
    const atMostMs = captureMs / examinedPages;
    const scanMs = (captureMs - sentPages * this.#encodeMsPerPage) / examinedPages;
    const scanMsPerPage = Math.max(scanMs, atMostMs * leastScanShare);
    this.#scanPagesPerMs = Math.max(this.#scanPagesPerMs, 1 / scanMsPerPage);
  }

  /** A pause took longer than predicted: the next prediction has to earn back the trust. */
  distrust(): void {
    this.#scale = Math.min(8, this.#scale * 1.5);
  }

  /** The pause to expect if the guest stopped now, milliseconds. */
  pauseMs(): number {
    return this.#pauseWith(this.#dirtyPages);
  }

  /**
   * The pause to expect after one more round; 0 where too little is known, so that one is made: without exact marks the first round tells
   * nothing about what changes, and the second what changed in all of the first.
   */
  nextPauseMs(): number {
    if (this.#dirtyPagesPerMs === undefined || (!this.#exact && this.#rounds < 3)) return 0;
    const rate = this.#meter.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    const sendMs = ((this.#dirtyPages * this.#bytesPerPage) / rate) * 1000;
    const fixedMs = this.#exact ? 0 : Math.min(this.#shortestMs, this.#roundMs);
    const roundMs = Math.max(shortestRoundMs, 2 * this.#meter.rttMs, sendMs, fixedMs);
    return this.#pauseWith(Math.min(this.#totalPages, this.#dirtyPagesPerMs * roundMs));
  }

  /** Milliseconds that `dirtyPages` and what is in flight still need on the link. */
  linkMs(dirtyPages: number): number {
    const rate = this.#meter.bytesPerSecond;
    const bytes = dirtyPages * this.#bytesPerPage + this.#meter.inFlightBytes;
    return rate === undefined ? 0 : (bytes / rate) * 1000;
  }

  #pauseWith(dirtyPages: number): number {
    return predictPauseMs({
      dirtyPages,
      bytesPerPage: this.#bytesPerPage,
      inFlightBytes: this.#meter.inFlightBytes,
      stateBytes: guessedStateBytes,
      bytesPerSecond: this.#meter.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      scanPages: this.#exact ? 0 : this.#totalPages,
      scanPagesPerMs: this.#scanPagesPerMs,
      encodeMsPerPage: this.#encodeMsPerPage,
      applyMsPerPage: this.#meter.appliedMsPerPage,
      rttMs: this.#meter.rttMs,
      verifyMs: 2 * this.#treeMs,
      scale: this.#scale,
    });
  }
}
