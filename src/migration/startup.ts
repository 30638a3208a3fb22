/** A round trip in which the rate grew by less says that the link is full. */
const growing = 1.25;
/** So many of them in a row are no accident. */
const flatTrips = 3;
/** In flight may be so many times what the highest rate yet carries in a round trip. */
const startupGain = 2.5;
/** What took more than so many round trips of the emptiest link stood in a queue: more in flight would only make that longer. */
const queueing = 1.5;

/**
 * Whether a link still has to show what it carries: until three round trips in a row brought no quarter more than any before. As the startup of
 * BBR (draft-cardwell-iccrg-bbr-congestion-control, 4.3.1) finds a pipe full. Until then what may be in flight doubles in every round trip that meets
 * no queue, as in TCP's slow start with a look at delay (RFC 9406): a rate measured of a burst says too little, as the burst itself takes its time.
 */
export class Startup {
  #grownBytes: number;
  #peak = 0;
  #best = 0;
  #flat = 0;
  #tripEnd = 0;

  /** `firstBytes` may be in flight before anything is known. */
  constructor(firstBytes: number) {
    this.#grownBytes = firstBytes;
  }

  get isOver(): boolean {
    return this.#flat >= flatTrips;
  }

  /** Highest rate seen, bytes a second. */
  get peak(): number {
    return this.#peak;
  }

  /** Bytes a second that the link may carry, for all that was seen of it. */
  get mayCarry(): number {
    return startupGain * this.#peak;
  }

  /** Bytes that may be in flight, on a link whose smallest round trip is `rttMs`. */
  windowBytes(rttMs: number): number {
    return Math.max(this.#grownBytes, (this.mayCarry * rttMs) / 1000);
  }

  /** So many bytes were acknowledged, the last of them `tookMs` after it left. */
  acknowledged(bytes: number, tookMs: number, rttMs: number): void {
    if (tookMs <= queueing * rttMs) this.#grownBytes += bytes;
  }

  /** A frame that left when `ackedBefore` bytes were acknowledged in all was itself, at this `rate`, when `ackedBytes` were. */
  measured(rate: number, ackedBefore: number, ackedBytes: number): void {
    if (this.isOver) return;
    this.#peak = Math.max(this.#peak, rate);
    if (ackedBefore < this.#tripEnd) return;
    this.#tripEnd = ackedBytes;
    this.#flat = this.#peak >= growing * this.#best ? 0 : this.#flat + 1;
    this.#best = Math.max(this.#best, this.#peak);
  }
}
