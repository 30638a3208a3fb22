import type { CapturedFrame } from '../codec/frame-slots.js';
import type { Clock } from './clock.js';
import { Compression } from './compression.js';
import type { Lanes } from './lanes.js';
import type { Meter } from './meter.js';
import type { ResolvedOptions } from './options.js';
import { Pace } from './pace.js';
import type { PageEngine } from './page-engine.js';
import { Tally } from './tally.js';

/** What becomes of a captured frame: compressed where that pays, held back by budgets, counted, and handed to its channel. */
export class PageSender {
  readonly tally: Tally = new Tally();
  readonly #engine: PageEngine;
  readonly #lanes: Lanes;
  readonly #meter: Meter;
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #compression: Compression;

  constructor(deps: {
    readonly engine: PageEngine;
    readonly lanes: Lanes;
    readonly meter: Meter;
    readonly clock: Clock;
    readonly options: ResolvedOptions;
    /** Of the thread, what the engine gets. */
    readonly share: () => number;
  }) {
    this.#engine = deps.engine;
    this.#lanes = deps.lanes;
    this.#meter = deps.meter;
    this.#clock = deps.clock;
    this.#pace = new Pace(deps.options, deps.clock);
    this.#compression = new Compression({ ...deps, compressor: deps.engine.compressor });
  }

  /** Payload of the next frame of a live round. */
  get frameBytes(): number {
    return this.#compression.payloadBytes(this.#pace.frameBytes(this.#meter.frameBytes));
  }

  /** The frame as it should leave; its capture began at `from`. `paused`: nobody else wants the thread. */
  packed(frame: CapturedFrame, from: number, paused: boolean): CapturedFrame {
    return this.#compression.pack(frame, this.#clock.now() - from, paused);
  }

  /** Waits until budgets let the frame leave. False, and it was dropped, if nobody is `wanted` to wait any more. */
  async mayLeave(frame: CapturedFrame, wanted: () => boolean): Promise<boolean> {
    if (await this.#pace.take(frame.bytes.byteLength, wanted)) return true;
    this.#engine.takeBack(frame);
    return false;
  }

  send(channel: number, frame: CapturedFrame, round: number): void {
    this.tally.add(frame);
    this.#lanes.sendPages(channel, frame, frame.pageCount, round);
  }
}
