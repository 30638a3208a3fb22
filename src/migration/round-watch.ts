import type { Clock } from './clock.js';
import { Samples } from './samples.js';

/** What one live round took, milliseconds. */
export interface RoundTimes {
  readonly durationMs: number;
  /** Without what was given away: to others on the thread, to the ceiling of the rate, to the audit, to the shortest round. */
  readonly workMs: number;
  /** From the first page looked at to the last. */
  readonly sweepMs: number;
  /** Looking at pages and encoding them, without what came between. */
  readonly captureMs: number;
  readonly examinedPages: number;
  /** Pages a millisecond, where enough of them were looked at and found unchanged to tell. */
  readonly scanPagesPerMs: number | undefined;
}

/** Of so many steps the middle one says what a page usually takes: one that took much longer was interrupted. */
const stepsKept = 64;
const enoughSteps = 8;
const mostTimesUsual = 3;
/** A step of fewer pages costs more than its pages. */
const leastScanPages = 32;
/** Of steps that found nothing the quick ones say what looking costs: the others were interrupted. */
const quickShare = 0.25;

/** The stopwatch of one live round. */
export class RoundWatch {
  readonly #clock: Clock;
  readonly #given: () => number;
  readonly #givenBefore: number;
  readonly startedAt: number;
  #idleMs = 0;
  readonly #msPerPage = new Samples(stepsKept);
  readonly #scanMsPerPage = new Samples(stepsKept);
  #captureMs = 0;
  #examinedPages = 0;
  #sweepMs = 0;
  #workMs = 0;

  /** Starts now. `given`: milliseconds that others on the thread had so far, at any time. */
  constructor(clock: Clock, given: () => number) {
    this.#clock = clock;
    this.#given = given;
    this.#givenBefore = given();
    this.startedAt = clock.now();
  }

  get elapsedMs(): number {
    return this.#clock.now() - this.startedAt;
  }

  /** Pages were looked at, from the moment `from` until now, and so many of them encoded. */
  captured(from: number, examinedPages: number, sentPages: number): void {
    const tookMs = this.#clock.now() - from;
    // Finding that there is nothing left is no page's cost.
    if (examinedPages === 0) return;
    this.#examinedPages += examinedPages;
    this.#msPerPage.add(tookMs / examinedPages);
    if (sentPages === 0 && examinedPages >= leastScanPages)
      this.#scanMsPerPage.add(tookMs / examinedPages);
    const usualMs = this.#msPerPage.quantile(0.5);
    const isKnown = usualMs !== undefined && this.#msPerPage.count >= enoughSteps;
    this.#captureMs += isKnown
      ? Math.min(tookMs, mostTimesUsual * usualMs * examinedPages)
      : tookMs;
  }

  /** Waits for something that the round's own pages do not cost. */
  async idle<T>(waiting: Promise<T>): Promise<T> {
    const from = this.#clock.now();
    const result = await waiting;
    this.#idleMs += this.#clock.now() - from;
    return result;
  }

  /** The last page was looked at. */
  swept(): void {
    this.#sweepMs = this.elapsedMs;
  }

  /** The last frame was acknowledged. */
  delivered(): void {
    const givenMs = this.#given() - this.#givenBefore + this.#idleMs;
    this.#workMs = Math.max(0, this.elapsedMs - givenMs);
  }

  #scanSpeed(): number | undefined {
    const msPerPage = this.#scanMsPerPage.quantile(quickShare);
    const isKnown = this.#scanMsPerPage.count >= enoughSteps && msPerPage !== undefined;
    return isKnown && msPerPage > 0 ? 1 / msPerPage : undefined;
  }

  /** The round ends now. */
  times(): RoundTimes {
    return {
      durationMs: this.elapsedMs,
      workMs: this.#workMs,
      sweepMs: this.#sweepMs,
      captureMs: this.#captureMs,
      examinedPages: this.#examinedPages,
      scanPagesPerMs: this.#scanSpeed(),
    };
  }
}
