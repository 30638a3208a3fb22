import { type Clock, systemClock } from './clock.js';

/**
 * How late a turn may come and still count from when it was due: else what timers and a busy thread cost would be lost for good. A longer
 * standstill is not made up for.
 */
const forgivenMs = 10;
/** How often those who wait are asked whether they still want to. */
const longestNapMs = 50;

/** One sender's part of a budget. It asks for one thing at a time. */
export interface BudgetShare {
  /** Resolves when `bytes` may be sent, true; or, once `wanted` says no, false: then nothing is counted. */
  take(bytes: number, wanted: () => boolean): Promise<boolean>;
}

interface Waiting {
  readonly bytes: number;
  readonly since: number;
  /** Where it stands in the order of service: bytes its sender was served, and never less than anybody served before. */
  readonly tag: number;
  readonly wanted: () => boolean;
  readonly serve: (granted: boolean) => void;
}

/**
 * Bytes a second for any number of senders, in equal parts among those that want to send (start-time fair queuing). Over any second they send
 * at most the budget, 1 % and one frame; what nobody used is not saved up.
 */
export class ByteBudget {
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #freeAt = Number.NEGATIVE_INFINITY;
  #servedTag = 0;
  #cancelTimer: () => void = () => {};

  /** RangeError unless `bytesPerSecond` is a number above 0. */
  constructor(bytesPerSecond: number, clock: Clock) {
    if (!(bytesPerSecond > 0)) {
      throw new RangeError(`bytesPerSecond must be > 0, got ${bytesPerSecond}`);
    }
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  share(): BudgetShare {
    let nextTag = 0;
    return {
      take: (bytes, wanted) =>
        new Promise((serve) => {
          const tag = Math.max(nextTag, this.#servedTag);
          nextTag = tag + bytes;
          this.#waiting.push({ bytes, since: this.#clock.now(), tag, wanted, serve });
          this.#serve();
        }),
    };
  }

  #serve(): void {
    this.#cancelTimer();
    for (const { serve } of this.#leavers()) serve(false);
    while (this.#waiting.length > 0) {
      const now = this.#clock.now();
      const dueAt = Math.max(this.#freeAt, Math.min(...this.#waiting.map(({ since }) => since)));
      if (dueAt > now) {
        this.#cancelTimer = this.#clock.after(Math.min(dueAt - now, longestNapMs), () =>
          this.#serve(),
        );
        return;
      }
      const first = this.#waiting.reduce((a, b) => (b.tag < a.tag ? b : a));
      this.#waiting = this.#waiting.filter((other) => other !== first);
      this.#servedTag = first.tag;
      const from = Math.max(dueAt, now - forgivenMs);
      this.#freeAt = from + (first.bytes / this.bytesPerSecond) * 1000;
      first.serve(true);
    }
  }

  /** Takes those out who do not want to send any more. */
  #leavers(): Waiting[] {
    const leavers = this.#waiting.filter(({ wanted }) => !wanted());
    if (leavers.length > 0) this.#waiting = this.#waiting.filter(({ wanted }) => wanted());
    return leavers;
  }
}

/**
 * A budget to give to several migrations as their `budget`: their live rounds together send at most `bytesPerSecond`, in equal parts as long
 * as all have something to send. RangeError unless it is a number above 0.
 */
export function sharedBudget(bytesPerSecond: number): ByteBudget {
  return new ByteBudget(bytesPerSecond, systemClock);
}
