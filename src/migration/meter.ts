import type { Clock } from './clock.js';
import { Samples } from './samples.js';

export interface LeavingFrame {
  readonly seq: number;
  readonly bytes: number;
  readonly pages: number;
  readonly at: number;
}

interface Sent extends LeavingFrame {
  /** Bytes acknowledged in all when this frame left. */
  readonly ackedBefore: number;
  /** When the acknowledgement before that arrived, or the frame left: the start of what its own will measure. */
  readonly since: number;
}

/** Frames this small say something about delay, not about rate. */
const bulkBytes = 32 * 1024;
/** A frame of fewer pages says little about what one costs. */
const manyPages = 16;
const smoothing = 0.2;
/** Of so many samples the upper quartile counts: many are taken while something else than the link was the limit. */
const samplesKept = 32;
const MiB = 1024 * 1024;

/** Watches frames leave and acknowledgements return: bytes in flight, the link's rate and delay, the window. */
export class Meter {
  readonly #clock: Clock;
  readonly #sent: Sent[] = [];
  #ackedBytes = 0;
  #ackedAt: number;
  #inFlight = 0;
  readonly #rates = new Samples(samplesKept);
  #rate: number | undefined;
  #appliedMsPerPage = 0;
  #minRttMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ackedAt = clock.now();
  }

  get inFlightBytes(): number {
    return this.#inFlight;
  }

  /** Bytes a second the link carried while it was the limit; undefined before anything large was acknowledged. */
  get bytesPerSecond(): number | undefined {
    return this.#rate;
  }

  /** Milliseconds that a page takes, until it is acknowledged, beyond what its bytes take on the link. */
  get appliedMsPerPage(): number {
    return this.#appliedMsPerPage;
  }

  /** Milliseconds since something in flight was acknowledged; 0 while nothing is in flight. */
  get unansweredMs(): number {
    const oldest = this.#sent[0];
    return oldest === undefined ? 0 : this.#clock.now() - Math.max(oldest.at, this.#ackedAt);
  }

  /** Smallest round trip seen, milliseconds; 0 before the first. */
  get rttMs(): number {
    return Number.isFinite(this.#minRttMs) ? this.#minRttMs : 0;
  }

  /** Payload of the next frame: 2 ms worth of the link, 16 to 512 KiB. */
  get frameBytes(): number {
    const rate = this.bytesPerSecond;
    const worth = rate === undefined ? 256 * 1024 : rate * 0.002;
    return Math.min(512 * 1024, Math.max(16 * 1024, Math.floor(worth)));
  }

  /** Bytes that may be unacknowledged: 1.25 x rate x RTT, at least four frames, at most 8 MiB. */
  get windowBytes(): number {
    const product = ((this.bytesPerSecond ?? 0) * this.rttMs * 1.25) / 1000;
    return Math.min(8 * MiB, Math.max(4 * this.frameBytes, product));
  }

  /** Notes a frame that was handed over at `at`, or a moment later, with the pages it holds. */
  left({ seq, bytes, pages, at }: LeavingFrame): void {
    this.#sent.push({
      seq,
      bytes,
      pages,
      at,
      ackedBefore: this.#ackedBytes,
      since: this.#inFlight > 0 ? this.#ackedAt : at,
    });
    this.#inFlight += bytes;
  }

  /** All frames up to `seq` were applied. */
  acknowledged(seq: number): void {
    const now = this.#clock.now();
    let last: Sent | undefined;
    while (this.#sent[0] !== undefined && this.#sent[0].seq <= seq) {
      last = this.#sent.shift();
      if (last === undefined) break;
      this.#inFlight -= last.bytes;
      this.#ackedBytes += last.bytes;
    }
    if (last === undefined) return;
    this.roundTrip(now - last.at);
    const carried = this.#ackedBytes - last.ackedBefore;
    const tookMs = now - last.since;
    const busyMs = now - Math.max(last.at, this.#ackedAt);
    if (last.pages >= manyPages) {
      // Where nothing was in flight before it, the way there and back is part of it.
      const wayMs = last.since === last.at ? this.rttMs : 0;
      const linkMs = this.#rate === undefined ? busyMs : (last.bytes / this.#rate) * 1000;
      const measured = Math.max(0, busyMs - linkMs - wayMs) / last.pages;
      this.#appliedMsPerPage += smoothing * (measured - this.#appliedMsPerPage);
    }
    if (carried >= bulkBytes && tookMs > 0) {
      this.#rates.add((carried / tookMs) * 1000);
      this.#rate = this.#rates.quantile(0.75);
    }
    this.#ackedAt = now;
  }

  roundTrip(ms: number): void {
    if (ms >= 0 && ms < this.#minRttMs) this.#minRttMs = ms;
  }
}
