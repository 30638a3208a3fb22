import type { Clock } from './clock.js';
import { Samples } from './samples.js';
import { Startup } from './startup.js';

export interface LeavingFrame {
  readonly seq: number;
  readonly bytes: number;
  readonly pages: number;
  readonly at: number;
}

interface Sent extends LeavingFrame {
  /** Bytes acknowledged in all when this frame left. */
  readonly ackedBefore: number;
  /** The window was full with it: the link is what it waited for, not its sender. */
  readonly filled: boolean;
  /** When the acknowledgement before that arrived, or the frame left: the start of what its own will measure. */
  readonly since: number;
}

/** Frames this small say something about delay, not about rate. */
const bulkBytes = 32 * 1024;
/** Payload of frames before the link is known: enough to measure it, and soon over where it is slow. */
const firstFrameBytes: number = bulkBytes;
/**
 * In flight may be so many times what the link is known to carry in its smallest round trip (as BBR's cwnd_gain): where round trips take longer than
 * that, because delay varies or an end has other things to do, less would be measured for what the link carries, and then less be in flight, and so on.
 */
const gain = 2;
/** And so many frames, whatever they take. */
const leastFrames = 4;
/** An acknowledgement of fewer pages says little about what one costs. */
const manyPages = 16;
const smoothing = 0.2;
/** Of so many samples the upper quartile counts: many are taken while something else than the link was the limit. */
const samplesKept = 32;
const MiB = 1024 * 1024;

interface ChannelBooks {
  readonly sent: Sent[];
  inFlight: number;
  ackedAt: number;
}

/**
 * Watches frames leave and acknowledgements return: bytes in flight, the link's rate and delay, and each channel's window. Channels share one
 * link: rate and delay are those of all of them together.
 */
export class Meter {
  readonly #clock: Clock;
  readonly #channels: readonly ChannelBooks[];
  #ackedBytes = 0;
  #ackedAt: number;
  #inFlight = 0;
  readonly #rates = new Samples(samplesKept);
  #rate: number | undefined;
  #appliedMsPerPage = 0;
  #minRttMs = Number.POSITIVE_INFINITY;
  readonly #startup: Startup;

  constructor(clock: Clock, channels = 1) {
    this.#clock = clock;
    const ackedAt = clock.now();
    this.#ackedAt = ackedAt;
    this.#startup = new Startup(leastFrames * firstFrameBytes * channels);
    this.#channels = Array.from({ length: channels }, () => ({ sent: [], inFlight: 0, ackedAt }));
  }

  get inFlightBytes(): number {
    return this.#inFlight;
  }

  /** Bytes a second the link carried while it was the limit; undefined before anything large was acknowledged. */
  get bytesPerSecond(): number | undefined {
    return this.#rate;
  }

  /** Whether the link was seen full: before, it may carry much more than was measured. */
  get isSettled(): boolean {
    return this.#startup.isOver;
  }

  /** Bytes a second that the link may carry: what was measured, and while it was not seen full 2.5 times the most of that; undefined before the first. */
  get mayCarry(): number | undefined {
    const rate = this.bytesPerSecond;
    return this.isSettled || rate === undefined ? rate : this.#startup.mayCarry;
  }

  /** Milliseconds that a page takes, until it is acknowledged, beyond what its bytes take on the link. */
  get appliedMsPerPage(): number {
    return this.#appliedMsPerPage;
  }

  /** Milliseconds since something was acknowledged on the channel that waits longest; 0 while nothing is in flight. */
  get unansweredMs(): number {
    const now = this.#clock.now();
    let longest = 0;
    for (const { sent, ackedAt } of this.#channels) {
      const oldest = sent[0];
      if (oldest !== undefined) longest = Math.max(longest, now - Math.max(oldest.at, ackedAt));
    }
    return longest;
  }

  /** Smallest round trip seen, milliseconds; 0 before the first. */
  get rttMs(): number {
    return Number.isFinite(this.#minRttMs) ? this.#minRttMs : 0;
  }

  /** Payload of the next frame: 2 ms worth of the link, 16 to 512 KiB. */
  get frameBytes(): number {
    const rate = this.bytesPerSecond;
    const worth = rate === undefined ? firstFrameBytes : rate * 0.002;
    return Math.min(512 * 1024, Math.max(16 * 1024, Math.floor(worth)));
  }

  /** Bytes of one channel that may be unacknowledged: its part of 2 x rate x smallest RTT, of what `Startup` allows until the link was seen full; at least four frames, at most 8 MiB. */
  get windowBytes(): number {
    const mostBytes = this.#mostBytes / this.#channels.length;
    return Math.min(8 * MiB, Math.max(leastFrames * this.frameBytes, mostBytes));
  }

  /** Whether another frame may leave on `channel`: the last one may reach beyond the window's end, so that a window of four frames holds four. */
  hasRoom(channel: number): boolean {
    return this.#of(channel).inFlight < this.windowBytes;
  }

  /** Notes a frame that was handed over to `channel` at `at`, or a moment later, with the pages it holds. */
  left({ seq, bytes, pages, at }: LeavingFrame, channel = 0): void {
    const books = this.#of(channel);
    const since = this.#inFlight > 0 ? this.#ackedAt : at;
    this.#inFlight += bytes;
    books.inFlight += bytes;
    const filled = !this.hasRoom(channel);
    books.sent.push({ seq, bytes, pages, at, ackedBefore: this.#ackedBytes, since, filled });
  }

  /** All frames of `channel` up to `seq` were applied. */
  acknowledged(seq: number, channel = 0): void {
    const now = this.#clock.now();
    const books = this.#of(channel);
    const { sent } = books;
    const first = sent[0];
    const ackedBefore = this.#ackedBytes;
    let last: Sent | undefined;
    let pages = 0;
    while (sent[0] !== undefined && sent[0].seq <= seq) {
      last = sent.shift();
      if (last === undefined) break;
      pages += last.pages;
      this.#inFlight -= last.bytes;
      books.inFlight -= last.bytes;
      this.#ackedBytes += last.bytes;
    }
    if (first === undefined || last === undefined) return;
    this.roundTrip(now - last.at);
    this.#startup.acknowledged(this.#ackedBytes - ackedBefore, now - last.at, this.rttMs);
    const carried = this.#ackedBytes - last.ackedBefore;
    const tookMs = now - last.since;
    if (pages >= manyPages) {
      // Before the first of them can have been answered nobody was busy with it: a destination waits as long as its source takes.
      const busyMs = now - Math.max(first.at + this.rttMs, this.#ackedAt);
      const bytes = this.#ackedBytes - ackedBefore;
      const linkMs = this.#rate === undefined ? busyMs : (bytes / this.#rate) * 1000;
      const measured = Math.max(0, busyMs - linkMs) / pages;
      this.#appliedMsPerPage += smoothing * (measured - this.#appliedMsPerPage);
    }
    if (carried >= bulkBytes && tookMs > 0) {
      const rate = (carried / tookMs) * 1000;
      // What had room left was as slow as its sender: the link carries no less.
      if (last.filled || rate > (this.#rate ?? 0)) {
        this.#rates.add(rate);
        this.#startup.measured(rate, last.ackedBefore, this.#ackedBytes);
        this.#rate = this.#rates.quantile(0.75);
      }
    }
    this.#ackedAt = now;
    books.ackedAt = now;
  }

  /** The connections are lost, or that of one `channel`: nothing is in flight there any more. What the link carried is still the best guess. */
  cut(channel?: number): void {
    const now = this.#clock.now();
    this.#ackedAt = now;
    for (const books of channel === undefined ? this.#channels : [this.#of(channel)]) {
      this.#inFlight -= books.inFlight;
      books.sent.length = 0;
      books.inFlight = 0;
      books.ackedAt = now;
    }
  }

  roundTrip(ms: number): void {
    if (ms >= 0 && ms < this.#minRttMs) this.#minRttMs = ms;
  }

  /** Bytes that may be in flight on all channels together. */
  get #mostBytes(): number {
    if (!this.#startup.isOver) return this.#startup.windowBytes(this.rttMs);
    return (gain * (this.bytesPerSecond ?? 0) * this.rttMs) / 1000;
  }

  #of(channel: number): ChannelBooks {
    const books = this.#channels[channel];
    if (books === undefined) throw new RangeError(`no channel ${channel}`);
    return books;
  }
}
