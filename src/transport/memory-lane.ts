import type { Intake } from './intake.js';

/** What both directions of a pair share: how bytes are cut up, when they arrive, how many may. */
export interface MemoryLink {
  schedule(task: () => void): void;
  /** How many of `available` bytes arrive together now, at least 1 while the link lasts. */
  take(available: number): number;
  /** Counts bytes that arrived; may cut the link. */
  delivered(bytes: number): void;
}

interface Travelling {
  frame: Uint8Array;
  readonly release: () => void;
  arrivedBytes: number;
}

/**
 * One direction of a memory pair: frames wait here, and in each scheduled turn some of their bytes are
 * copied into the receiver's intake.
 */
export class MemoryLane {
  readonly #link: MemoryLink;
  readonly #intake: Intake;
  /** Called once everything before `end` has arrived. */
  onEnd: () => void = () => {};
  #queue: Travelling[] = [];
  #queuedBytes = 0;
  #ended = false;
  #dropped = false;
  #paused = false;
  #scheduled = false;

  constructor(link: MemoryLink, intake: Intake) {
    this.#link = link;
    this.#intake = intake;
  }

  push(frame: Uint8Array, release: () => void): void {
    this.#queue.push({ frame, release, arrivedBytes: 0 });
    this.#queuedBytes += frame.length;
    this.#scheduleTurn();
  }

  /** No frame follows. */
  end(): void {
    this.#ended = true;
    this.#scheduleTurn();
  }

  /** Whoever sent what is under way may use its bytes for something else now. */
  keep(): void {
    for (const travelling of this.#queue) travelling.frame = travelling.frame.slice();
  }

  /** Nothing arrives any more. */
  drop(): void {
    this.#dropped = true;
    this.#queue = [];
  }

  /** The receiver takes bytes again. */
  resume(): void {
    this.#paused = false;
    this.#scheduleTurn();
  }

  #scheduleTurn(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#link.schedule(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#dropped || this.#paused) return;
    if (this.#queue.length === 0) {
      if (this.#ended) this.onEnd();
      return;
    }
    const budget = this.#link.take(this.#queuedBytes);
    let moved = 0;
    while (moved < budget && !this.#paused && !this.#dropped) moved += this.#move(budget - moved);
    this.#link.delivered(moved);
    if (this.#dropped) return;
    if (!this.#paused && (this.#queue.length > 0 || this.#ended)) this.#scheduleTurn();
  }

  /** Copies at most `maxBytes` of the first frame over; returns how many it were. */
  #move(maxBytes: number): number {
    const first = this.#queue[0];
    if (first === undefined) return maxBytes;
    const rest = first.frame.subarray(first.arrivedBytes);
    const space = this.#intake.space();
    const bytes = Math.min(maxBytes, rest.length, space.length);
    space.set(rest.subarray(0, bytes));
    first.arrivedBytes += bytes;
    this.#queuedBytes -= bytes;
    if (first.arrivedBytes === first.frame.length) {
      this.#queue.shift();
      first.release();
    }
    this.#paused = !this.#intake.accept(space.subarray(0, bytes));
    return bytes;
  }
}
