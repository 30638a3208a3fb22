/** A round trip in which the rate grew by less says that the link is full. */
const growing = 1.25;
/** So many of them in a row are no accident. */
const flatTrips = 3;

/**
 * Whether a link still has to show what it carries: until three round trips in a row brought no quarter more than any before. As the startup of
 * BBR (draft-cardwell-iccrg-bbr-congestion-control, 4.3.1) finds a pipe full.
 */
export class Startup {
  #peak = 0;
  #best = 0;
  #flat = 0;
  #tripEnd = 0;

  get isOver(): boolean {
    return this.#flat >= flatTrips;
  }

  /** Highest rate seen, bytes a second. */
  get peak(): number {
    return this.#peak;
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
