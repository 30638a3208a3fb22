import type { Socket } from 'node:net';
import type { LinkSchedule } from './link-shape.js';

interface Segment {
  readonly bytes: Uint8Array;
  dueAt: number;
}

/** One direction of one connection: what its sender says arrives when the schedule lets it. */
export class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #schedule: LinkSchedule;
  readonly #now: () => number;
  readonly #onBusy: () => void;
  readonly #segments: Segment[] = [];
  #heldBytes = 0;
  #ended = false;
  #over = false;
  #isFull = false;

  /** `onBusy`: `deliver` has something to wait for. */
  constructor(
    from: Socket,
    to: Socket,
    schedule: LinkSchedule,
    now: () => number,
    onBusy: () => void,
  ) {
    this.#from = from;
    this.#to = to;
    this.#schedule = schedule;
    this.#now = now;
    this.#onBusy = onBusy;
    from.on('data', (chunk) => this.#take(chunk));
    from.on('end', () => {
      this.#ended = true;
      onBusy();
    });
    to.on('drain', onBusy);
  }

  /** Nothing will ever be delivered again. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Passes on what is due. Returns when to call again, at the latest; Infinity: when `onBusy` was called. */
  deliver(): number {
    if (this.#over) return Number.POSITIVE_INFINITY;
    const now = this.#now();
    const due = this.#segments.findIndex(({ dueAt }) => dueAt > now);
    // A receiver that does not read holds everything up; what waits for it is bounded by `#letIn`.
    if (!this.#to.writableNeedDrain) {
      this.#write(this.#segments.splice(0, due === -1 ? this.#segments.length : due));
    }
    this.#letIn(now);
    if (this.#segments.length === 0 && this.#ended) {
      this.#over = true;
      this.#to.end();
    }
    if (this.#to.writableNeedDrain) return Number.POSITIVE_INFINITY;
    const next = this.#segments[0]?.dueAt ?? Number.POSITIVE_INFINITY;
    return this.#isFull ? Math.min(next, now + 1) : next;
  }

  /** Nothing was delivered for so long, and the schedule was postponed by that. */
  postpone(ms: number): void {
    for (const segment of this.#segments) segment.dueAt += ms;
  }

  /** Drops whatever is under way. */
  drop(): void {
    this.#over = true;
    this.#segments.length = 0;
  }

  #take(chunk: Uint8Array): void {
    if (this.#over) return;
    const now = this.#now();
    const { segmentBytes } = this.#schedule;
    for (let at = 0; at < chunk.length; at += segmentBytes) {
      const bytes = chunk.subarray(at, at + segmentBytes);
      this.#segments.push({ bytes, dueAt: this.#schedule.accept(bytes.length, now) });
    }
    this.#heldBytes += chunk.length;
    this.#letIn(now);
    this.#onBusy();
  }

  /** Holds the sender back while the queue is full: a link without loss. */
  #letIn(now: number): void {
    const { queueBytes, heldBytes } = this.#schedule;
    const isFull =
      this.#schedule.waitingBytes(now) > queueBytes || this.#heldBytes > heldBytes + 65_536;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    if (isFull) this.#from.pause();
    else this.#from.resume();
  }

  #write(segments: readonly Segment[]): void {
    if (segments.length === 0) return;
    this.#to.cork();
    for (const { bytes } of segments) {
      this.#to.write(bytes);
      this.#heldBytes -= bytes.length;
    }
    this.#to.uncork();
  }
}
