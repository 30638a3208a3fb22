import type { MigrationEvent } from '../migration/events.js';

type Round = Extract<MigrationEvent, { type: 'round' }>;
type Step = Extract<MigrationEvent, { type: 'progress' }>;

/** What a line of progress says. */
export interface ProgressView {
  /** 0 to 100; never less than it was before. */
  readonly percent: number;
  readonly bytesPerSecond: number;
  /** Until the first pass is through; null once it is, or while nothing is known. */
  readonly etaMs: number | null;
}

/** The first pass is nearly all of the work; what the rounds after it take of the bar. */
const firstPassPercent = 90;

/** Turns what a migration reports into a percentage that never runs backwards, a rate and a time to go. */
export class Progress {
  readonly #now: () => number;
  readonly #startedAt: number;
  #percent = 0;
  #rounds = 0;
  #sampledAt: number;
  #sampledBytes = 0;
  #bytesPerSecond = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
    this.#sampledAt = this.#startedAt;
  }

  /** Rounds finished. */
  get rounds(): number {
    return this.#rounds;
  }

  step({ sentBytes, examinedPages, totalPages }: Step): ProgressView {
    this.#sample(sentBytes);
    const done = totalPages === 0 ? 1 : examinedPages / totalPages;
    if (this.#rounds === 0) this.#rise(done * firstPassPercent);
    const elapsedMs = this.#now() - this.#startedAt;
    const etaMs =
      this.#rounds > 0 || done <= 0.01 || elapsedMs < 300
        ? null
        : (elapsedMs / done) * Math.max(0, 1 - done);
    return { percent: this.#percent, bytesPerSecond: this.#bytesPerSecond, etaMs };
  }

  round({ round }: Round): void {
    this.#rounds = round;
    // Nobody knows how many rounds will come: each takes a third of what is left.
    this.#rise(firstPassPercent + (99 - firstPassPercent) * (1 - (2 / 3) ** round));
  }

  #rise(percent: number): void {
    this.#percent = Math.max(this.#percent, Math.min(99, percent));
  }

  #sample(sentBytes: number): void {
    const now = this.#now();
    const elapsedMs = now - this.#sampledAt;
    if (elapsedMs < 50) return;
    const rate = (Math.max(0, sentBytes - this.#sampledBytes) / elapsedMs) * 1000;
    this.#bytesPerSecond += (this.#bytesPerSecond === 0 ? 1 : 0.4) * (rate - this.#bytesPerSecond);
    this.#sampledAt = now;
    this.#sampledBytes = sentBytes;
  }
}
