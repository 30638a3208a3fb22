import type { FrameCompressor } from '../codec/frame-compressor.js';
import type { CapturedFrame } from '../codec/frame-slots.js';
import type { Clock } from './clock.js';
import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { ceilingOf } from './pace.js';

/** What is new in a measurement counts so much. */
const smoothing = 0.25;
/** While frames go as they are, the beginning of every so many-th is tried: some 1 % of the time of a link as fast as memory. */
const framesBetweenTries = 16;
/** The first ones are all tried: new code is slow, and one number is none. */
const firstTries = 4;
/** What is computed must be faster by so much than what is waited for: near the point where it makes no difference frames go as they are. */
const spare = 0.95;
/** And save so much. */
const worthwhile = 0.99;
/** The receiver decompresses some three times as fast as the sender compresses. While nobody runs that is waited for. */
const decompressing = 1 / 3;
/** Bytes a second. What is measured above is no link but what the other end does with pages, and it has no less to do with compressed ones. */
const fastLink = 250e6;
const largestFrameBytes = 512 * 1024;

type Compressor = Pick<FrameCompressor, 'compress' | 'try'>;

/**
 * Decides for each frame whether LZ4 makes it arrive earlier: from the link's measured rate, what capturing and compressing a byte take on this
 * machine, and what became of the bytes compressed last.
 */
export class Compression {
  readonly #mode: ResolvedOptions['compression'];
  readonly #ceiling: number;
  readonly #compressor: Compressor | undefined;
  readonly #meter: Pick<Meter, 'mayCarry'>;
  readonly #clock: Clock;
  /** Of the thread, what the engine gets. */
  readonly #share: () => number;
  /** Milliseconds for a byte. */
  readonly #captureMs = new Average();
  readonly #compressMs = new Average();
  /** Compressed by uncompressed bytes. */
  readonly #ratio = new Average();
  #tries = 0;
  #untried = 0;

  constructor(deps: {
    readonly options: Pick<ResolvedOptions, 'compression' | 'bytesPerSecond' | 'budget'>;
    /** Undefined: frames go as they are. */
    readonly compressor?: Compressor | undefined;
    readonly meter: Pick<Meter, 'mayCarry'>;
    readonly clock: Clock;
    readonly share: () => number;
  }) {
    this.#mode = deps.options.compression;
    this.#ceiling = ceilingOf(deps.options);
    this.#compressor = deps.compressor;
    this.#meter = deps.meter;
    this.#clock = deps.clock;
    this.#share = deps.share;
  }

  /** Payload of a frame that is to be `wireBytes` on the link. */
  payloadBytes(wireBytes: number): number {
    const ratio = this.#pays(false) ? (this.#ratio.value ?? 1) : 1;
    return Math.min(Math.max(wireBytes, largestFrameBytes), Math.ceil(wireBytes / ratio));
  }

  /** The frame as it should leave. `capturedMs`: what capturing it took. `paused`: nobody else wants the thread, and no budget binds. */
  pack(frame: CapturedFrame, capturedMs: number, paused: boolean): CapturedFrame {
    const compressor = this.#compressor;
    if (this.#mode === 'never' || compressor === undefined) return frame;
    this.#captureMs.add(capturedMs / frame.rawBytes);
    if (this.#pays(paused)) return this.#compress(compressor, frame);
    // What a try finds out is of no use any more in a pause, and would be waited for.
    if (!paused) this.#try(compressor, frame);
    return frame;
  }

  #pays(paused: boolean): boolean {
    if (this.#mode !== 'auto') return this.#mode === 'always';
    const capture = this.#captureMs.value;
    const compress = this.#compressMs.value;
    const ratio = this.#ratio.value;
    // The few frames that leave before anything is known go as they are: of compressed ones it would be measured how fast both ends compress.
    const rate = this.#meter.mayCarry ?? Number.POSITIVE_INFINITY;
    const allowed = paused ? rate : Math.min(rate, this.#ceiling);
    if (allowed > fastLink) return false;
    if (capture === undefined || compress === undefined || ratio === undefined) return true;
    const linkMs = 1000 / allowed;
    if (paused) return compress * (1 + decompressing) + ratio * linkMs < spare * linkMs;
    // One byte is captured and compressed while another is on the link: the slower of the two counts.
    const share = this.#share();
    const plainMs = Math.max(capture / share, linkMs);
    const packedMs = Math.max((capture + compress) / share / spare, (ratio * linkMs) / worthwhile);
    return packedMs < plainMs;
  }

  #compress(compressor: Compressor, frame: CapturedFrame): CapturedFrame {
    const from = this.#clock.now();
    const packed = compressor.compress(frame);
    this.#learn(frame.rawBytes, packed.bodyBytes, from);
    return packed;
  }

  #try(compressor: Compressor, frame: CapturedFrame): void {
    this.#untried += 1;
    if (this.#untried < framesBetweenTries && this.#tries >= firstTries) return;
    this.#untried = 0;
    this.#tries += 1;
    const from = this.#clock.now();
    const { rawBytes, bodyBytes } = compressor.try(frame);
    this.#learn(rawBytes, bodyBytes, from);
  }

  #learn(rawBytes: number, bodyBytes: number, from: number): void {
    this.#compressMs.add((this.#clock.now() - from) / rawBytes);
    this.#ratio.add(bodyBytes / rawBytes);
  }
}

/** Of what was measured lately. */
class Average {
  value: number | undefined;

  add(measured: number): void {
    this.value =
      this.value === undefined ? measured : this.value + smoothing * (measured - this.value);
  }
}
