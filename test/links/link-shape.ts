/** What one direction of a link does to bytes. */
export interface LinkShape {
  /** What the link carries; Infinity: as fast as it goes. */
  readonly bytesPerSecond: number;
  /** From the end of a segment's sending to its arrival, milliseconds. */
  readonly delayMs: number;
  /** Up to so much more, evenly spread; bytes never overtake each other. Default 0. */
  readonly jitterMs?: number;
  /** What an idle link lets through at once. Default: 16 KiB. */
  readonly burstBytes?: number;
  /** What may wait for the link before its sender is held back. Default: what it carries in 20 ms, at least 64 KiB. */
  readonly queueBytes?: number;
}

const ethernetSegment = 1448;
/** A segment takes about so long to leave, or more: finer ones would only cost the relay's time. */
const segmentMs = 0.2;

/**
 * When bytes leave a link and arrive: a token bucket, then a delay. Knows no clock and no socket; times are milliseconds and never run
 * backwards.
 */
export class LinkSchedule {
  readonly #bytesPerMs: number;
  readonly #delayMs: number;
  readonly #jitterMs: number;
  readonly #burstMs: number;
  readonly #random: () => number;
  readonly queueBytes: number;
  /** Bytes that move as one. */
  readonly segmentBytes: number;
  /** When everything accepted so far would have left, had the link been as fast as its rate all along. */
  #leftAt = Number.NEGATIVE_INFINITY;
  #arrivedAt = Number.NEGATIVE_INFINITY;

  /** `random`: 0 up to 1. RangeError for a shape that carries nothing or goes back in time. */
  constructor(shape: LinkShape, random: () => number) {
    const { bytesPerSecond, delayMs, jitterMs = 0, burstBytes = 16 * 1024 } = shape;
    if (!(bytesPerSecond > 0)) throw new RangeError(`bytesPerSecond: ${bytesPerSecond}`);
    if (!(delayMs >= 0 && jitterMs >= 0 && burstBytes >= 0)) throw new RangeError('less than 0');
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#delayMs = delayMs;
    this.#jitterMs = jitterMs;
    this.#burstMs = burstBytes / this.#bytesPerMs;
    this.#random = random;
    this.queueBytes = shape.queueBytes ?? Math.max(65_536, this.#bytesPerMs * 20);
    this.segmentBytes = Math.max(
      ethernetSegment,
      Math.min(65_536, Math.floor(this.#bytesPerMs * segmentMs)),
    );
  }

  /** Takes a segment in; returns when it arrives at the other end. */
  accept(bytes: number, now: number): number {
    this.#leftAt = Math.max(this.#leftAt, now - this.#burstMs) + bytes / this.#bytesPerMs;
    const arrival = Math.max(now, this.#leftAt) + this.#delayMs + this.#jitterMs * this.#random();
    this.#arrivedAt = Math.max(this.#arrivedAt, arrival);
    return this.#arrivedAt;
  }

  /** Bytes that still wait for the link. */
  waitingBytes(now: number): number {
    return this.#leftAt > now ? (this.#leftAt - now) * this.#bytesPerMs : 0;
  }

  /** Bytes that are in the queue or on their way while the link is used to the full. */
  get heldBytes(): number {
    return this.queueBytes + this.#bytesPerMs * (this.#delayMs + this.#jitterMs);
  }

  /** Nothing moved for so long: whatever was accepted leaves and arrives later by that. */
  postpone(ms: number): void {
    this.#leftAt += ms;
    this.#arrivedAt += ms;
  }
}
