import { FerryError } from '../errors.js';
import type { Message, RegionChange, StateChunk, StateDelta } from '../protocol/messages.js';
import type { Clock } from './clock.js';
import { Lane } from './lane.js';
import type { Link, PagesFrame } from './link.js';
import type { Meter } from './meter.js';
import type { Lost } from './unacknowledged.js';

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

/** A page channel was closed: the pages of these run tables did not arrive with it. */
export type OnLaneClosed = (channel: number, tables: readonly Uint8Array[]) => void | Promise<void>;

/** The channels that pages leave on: the control channel, and those beside it that are opened once pages may be sent. */
export class Lanes {
  readonly #meter: Meter;
  readonly #clock: Clock;
  #control: Link;
  readonly #lanes: readonly Lane[];
  readonly #onClosed: OnLaneClosed;
  /** Closed, and not told yet. */
  #closed: { readonly channel: number; readonly tables: readonly Uint8Array[] }[] = [];
  /** Those that may have pages to send. */
  readonly #unswept = new Set<number>();
  #last = 0;
  #woken: () => void = () => {};

  /** `onClosed` is told of channels that were closed while something is waited for here, and waited for itself. */
  constructor(
    control: Link,
    deps: {
      readonly channels: number;
      readonly meter: Meter;
      readonly clock: Clock;
      readonly onClosed: OnLaneClosed;
    },
  ) {
    this.#meter = deps.meter;
    this.#clock = deps.clock;
    this.#onClosed = deps.onClosed;
    this.#control = control;
    this.#lanes = Array.from({ length: deps.channels }, () => new Lane());
    this.open(0, control);
  }

  /** The connection of `channel` is there. */
  open(channel: number, link: Link): void {
    this.#lane(channel).open(link);
    this.#unswept.add(channel);
    link.onSign = () => this.#woken();
    this.#woken();
  }

  /** `channel` cannot be connected for now: its pages go on the others. */
  unreached(channel: number): void {
    this.#lane(channel).unreached();
    this.#woken();
  }

  /** The connection of `channel` is lost. What was sent on it stays its own until the destination has said how far it got. */
  closing(channel: number): void {
    this.#lane(channel).closing(this.#clock.now());
    this.#woken();
  }

  /** The destination will apply nothing behind `lastAppliedSeq` of `channel`. ERR_UNEXPECTED_MESSAGE if that cannot be. */
  closed(channel: number, lastAppliedSeq: number): void {
    const { tables } = this.#lane(channel).closed(lastAppliedSeq);
    this.#closed.push({ channel, tables });
    this.#meter.cut(channel);
    this.#woken();
  }

  /** All frames of `channel` up to `seq` were applied. */
  acknowledged(channel: number, seq: number): void {
    this.#lane(channel).acknowledged(seq);
    this.#meter.acknowledged(seq, channel);
  }

  /**
   * The connections are lost, and `control` takes the place of the first one; the others will be opened again. Gives what was sent and may not have
   * arrived: all that was not acknowledged, of the control channel what lies behind `appliedSeq`.
   */
  reopen(control: Link, appliedSeq: number): Lost {
    this.#lane(0).unacknowledged.acknowledged(appliedSeq);
    const lost = this.#lanes.map((lane) => lane.restart());
    const closed = this.#closed.splice(0);
    this.#unswept.clear();
    this.#meter.cut();
    this.#control = control;
    this.open(0, control);
    return {
      tables: [...closed, ...lost].flatMap(({ tables }) => tables),
      changes: lost.flatMap(({ changes }) => changes),
    };
  }

  get isOpen(): boolean {
    return this.#control.open;
  }

  get count(): number {
    return this.#lanes.length;
  }

  /** Of each channel the seq of the last PAGES, REGION or STATE frame sent; 0: none, or it is closed. */
  get finalSeqs(): number[] {
    return this.#lanes.map(({ finalSeq }) => finalSeq);
  }

  /** Each channel may have pages to send. */
  beginSweep(): void {
    for (const channel of this.#lanes.keys()) this.#unswept.add(channel);
  }

  /** There are none left that `channel` may send. */
  swept(channel: number): void {
    this.#unswept.delete(channel);
  }

  /** No channel has pages left to send, and none was lost with some. */
  get isSwept(): boolean {
    const isLeft = ({ state }: Lane, channel: number): boolean =>
      state === 'closing' || (state === 'open' && this.#unswept.has(channel));
    return this.#closed.length === 0 && !this.#lanes.some(isLeft);
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
    // Captured before it was closed: as lost as what the destination was asked about, which has been told.
    const isClosed = this.#closed.some((closed) => closed.channel === channel);
    if (isClosed || link?.open !== true) {
      const table = frame.copyTable();
      if (isClosed) this.#closed.push({ channel, tables: [table] });
      // It will be sent again on the connection to come.
      else lane.unacknowledged.pages(Number.POSITIVE_INFINITY, table);
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
   * Waits until a frame may leave on a channel that may have pages to send, and gives that, taking them in turn; `meanwhile` is done before each wait. Undefined once
   * none has (`isSwept`), or nobody is `wanted` to wait any more.
   */
  next(wanted: () => boolean, meanwhile: () => void = () => {}): Promise<number | undefined> {
    return this.#until(
      () => {
        if (this.isSwept) return 'none';
        for (let step = 1; step <= this.count; step++) {
          const channel = (this.#last + step) % this.count;
          if (!this.#unswept.has(channel) || !this.#hasRoom(channel)) continue;
          this.#last = channel;
          return channel;
        }
        return undefined;
      },
      wanted,
      meanwhile,
    ).then((found) => (found === 'none' ? undefined : found));
  }

  /** Waits until a frame may leave on the control channel. False if that is not `wanted` any more. */
  async room(wanted: () => boolean): Promise<boolean> {
    return (await this.#until(() => this.#hasRoom(0) || undefined, wanted)) === true;
  }

  /**
   * Waits, as `next` does, until every channel is open, or has no connection, and everything sent is acknowledged, or known not to have arrived. False if that is
   * not `wanted` any more.
   */
  async quiet(wanted: () => boolean, meanwhile: () => void = () => {}): Promise<boolean> {
    const quiet = await this.#until(() => this.#isQuiet() || undefined, wanted, meanwhile);
    return quiet === true && wanted() && this.isOpen;
  }

  /** Waits until `look` finds something; what was closed meanwhile is told before each look. Undefined if it is not `wanted` any more. */
  async #until<T>(
    look: () => T | undefined,
    wanted: () => boolean,
    meanwhile: () => void = () => {},
  ): Promise<T | undefined> {
    while (wanted() && this.isOpen) {
      if (this.#closed.length > 0) await this.#tellClosed();
      const found = look();
      if (found !== undefined) return found;
      meanwhile();
      await this.#answer();
    }
    return undefined;
  }

  /** Any other channel may have pages to send now. */
  async #tellClosed(): Promise<void> {
    for (let closed = this.#closed[0]; closed !== undefined; closed = this.#closed[0]) {
      await this.#onClosed(closed.channel, closed.tables);
      this.#closed.shift();
      this.beginSweep();
    }
  }

  #isQuiet(): boolean {
    const isBusy = ({ state }: Lane): boolean => state === 'opening' || state === 'closing';
    return this.#meter.inFlightBytes === 0 && !this.#lanes.some(isBusy);
  }

  #hasRoom(channel: number): boolean {
    const { link, state } = this.#lane(channel);
    if (state !== 'open' || link === undefined || link.heldFrames >= mostHeldFrames) return false;
    return this.#meter.hasRoom(channel);
  }

  /** Waits for the next sign of a link. A destination that is there and acknowledges nothing is ERR_PEER_TIMEOUT. */
  async #answer(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#woken = resolve;
    });
    const now = this.#clock.now();
    const closingMs = Math.max(...this.#lanes.map(({ closingSince = now }) => now - closingSince));
    if (Math.max(this.#meter.unansweredMs, closingMs) > longestSilenceMs) {
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
