import { FerryError } from '../errors.js';
import type { Message, RegionChange, StateChunk, StateDelta } from '../protocol/messages.js';
import type { Clock } from './clock.js';
import type { Link, PagesFrame } from './link.js';
import type { Meter } from './meter.js';
import { type Lost, Unacknowledged } from './unacknowledged.js';

/** Frames of one channel that may stand in the engine's memory: as many as it has slots for. */
const mostHeldFrames = 8;
/** A destination may take this long over one frame: a disk that is written back can stall for long. */
const longestSilenceMs = 60_000;
const roundEndBytes = 44;
/** About what REGION takes on the wire. */
const regionBytes = 64;
/** What a piece of state takes besides its bytes. */
const stateBytes = 64;

/** A frame that can say which pages it holds. */
export interface TabledFrame extends PagesFrame {
  copyTable(): Uint8Array;
}

interface Lane {
  /** Undefined while it is being opened. */
  link: Link | undefined;
  finalSeq: number;
  readonly unacknowledged: Unacknowledged;
}

/** The channels that pages leave on: the control channel, and those beside it that are opened once pages may be sent. */
export class Lanes {
  readonly #meter: Meter;
  readonly #clock: Clock;
  #control: Link;
  readonly #lanes: readonly Lane[];
  #last = 0;
  #woken: () => void = () => {};

  constructor(control: Link, channels: number, meter: Meter, clock: Clock) {
    this.#meter = meter;
    this.#clock = clock;
    this.#control = control;
    this.#lanes = Array.from({ length: channels }, () => ({
      link: undefined,
      finalSeq: 0,
      unacknowledged: new Unacknowledged(),
    }));
    this.open(0, control);
  }

  /** The connection of `channel` is there. */
  open(channel: number, link: Link): void {
    const lane = this.#lanes[channel];
    if (lane === undefined) throw new RangeError(`no channel ${channel}`);
    lane.link = link;
    link.onSign = () => this.#woken();
    this.#woken();
  }

  /** All frames of `channel` up to `seq` were applied. */
  acknowledged(channel: number, seq: number): void {
    this.#lane(channel).unacknowledged.acknowledged(seq);
    this.#meter.acknowledged(seq, channel);
  }

  /**
   * The connections are lost, and `control` takes the place of the first one; the others will be opened again. Gives what was sent and may not have
   * arrived: all that was not acknowledged, of the control channel what lies behind `appliedSeq`.
   */
  reopen(control: Link, appliedSeq: number): Lost {
    this.#lane(0).unacknowledged.acknowledged(appliedSeq);
    const lost = this.#lanes.map(({ unacknowledged }) => unacknowledged.take());
    for (const lane of this.#lanes) {
      lane.link = undefined;
      lane.finalSeq = 0;
    }
    this.#meter.cut();
    this.#control = control;
    this.open(0, control);
    return {
      tables: lost.flatMap(({ tables }) => tables),
      changes: lost.flatMap(({ changes }) => changes),
    };
  }

  get isOpen(): boolean {
    return this.#control.open;
  }

  get count(): number {
    return this.#lanes.length;
  }

  /** Of each channel the seq of the last PAGES, REGION or STATE frame sent; 0: none. */
  get finalSeqs(): number[] {
    return this.#lanes.map(({ finalSeq }) => finalSeq);
  }

  /** Every channel, each to be taken out once it has no pages left. */
  all(): Set<number> {
    return new Set(this.#lanes.keys());
  }

  /** Sends, on the control channel, what the transcript counts. Returns its seq. */
  sendCounted(message: Message, round: number): number {
    const seq = this.#control.send(message, round);
    this.#lane(0).finalSeq = seq;
    return seq;
  }

  sendPages(channel: number, frame: TabledFrame, pages: number, round: number): void {
    const lane = this.#lane(channel);
    const bytes = frame.bytes.byteLength;
    const at = this.#clock.now();
    const { link } = lane;
    if (link?.open !== true) {
      // It will be sent again on the connection to come.
      lane.unacknowledged.pages(Number.POSITIVE_INFINITY, frame.copyTable());
      frame.release();
      return;
    }
    const table = frame.copyTable();
    lane.finalSeq = link.sendPages(frame, round);
    lane.unacknowledged.pages(lane.finalSeq, table);
    this.#meter.left({ seq: lane.finalSeq, bytes, pages, at }, channel);
  }

  sendRegion(change: RegionChange, round: number): void {
    const at = this.#clock.now();
    const isOpen = this.isOpen;
    const seq = this.sendCounted(change, round);
    this.#lane(0).unacknowledged.region(isOpen ? seq : Number.POSITIVE_INFINITY, change);
    this.#meter.left({ seq, bytes: regionBytes, pages: 0, at });
  }

  sendState(message: StateChunk | StateDelta, round: number): void {
    const bytes = message.type === 'STATE' ? message.bytes : message.units;
    const at = this.#clock.now();
    const seq = this.sendCounted(message, round);
    this.#meter.left({ seq, bytes: bytes.byteLength + stateBytes, pages: 0, at });
  }

  endRound(round: number): void {
    const at = this.#clock.now();
    const seq = this.#control.send({ type: 'ROUND_END', round }, round);
    this.#meter.left({ seq, bytes: roundEndBytes, pages: 0, at });
  }

  /**
   * Waits until a frame may leave on one of `channels`, taken in turn; `meanwhile` is done before each wait. Undefined once nobody is `wanted`
   * to wait any more.
   */
  async next(
    channels: ReadonlySet<number>,
    wanted: () => boolean,
    meanwhile: () => void = () => {},
  ): Promise<number | undefined> {
    while (wanted() && this.isOpen) {
      for (let step = 1; step <= this.count; step++) {
        const channel = (this.#last + step) % this.count;
        if (!channels.has(channel) || !this.#hasRoom(channel)) continue;
        this.#last = channel;
        return channel;
      }
      meanwhile();
      await this.#answer();
    }
    return undefined;
  }

  /** Waits, as `next` does, until every channel is open and everything sent on it is acknowledged. False if that is not `wanted` any more. */
  async quiet(wanted: () => boolean, meanwhile: () => void = () => {}): Promise<boolean> {
    while (wanted() && this.isOpen && !this.#isQuiet()) {
      meanwhile();
      await this.#answer();
    }
    return wanted() && this.isOpen;
  }

  #isQuiet(): boolean {
    return this.#meter.inFlightBytes === 0 && this.#lanes.every(({ link }) => link !== undefined);
  }

  #hasRoom(channel: number): boolean {
    const { link } = this.#lane(channel);
    if (link === undefined || link.heldFrames >= mostHeldFrames) return false;
    return this.#meter.hasRoom(channel);
  }

  /** Waits for the next sign of a link. A destination that is there and acknowledges nothing is ERR_PEER_TIMEOUT. */
  async #answer(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#woken = resolve;
    });
    if (this.#meter.unansweredMs > longestSilenceMs) {
      throw new FerryError(
        'ERR_PEER_TIMEOUT',
        `nothing was acknowledged for ${longestSilenceMs / 1000} s`,
      );
    }
  }

  #lane(channel: number): Lane {
    const lane = this.#lanes[channel];
    if (lane === undefined) throw new RangeError(`no channel ${channel}`);
    return lane;
  }
}
