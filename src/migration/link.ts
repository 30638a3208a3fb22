import { asFerryError, FerryError } from '../errors.js';
import { decodeMessage } from '../protocol/decode.js';
import { encodeMessage } from '../protocol/encode.js';
import { type FrameOrder, frameFlag, sealFrame } from '../protocol/header.js';
import type { Message } from '../protocol/messages.js';
import type { Channel, ChannelPeer } from '../transport/channel.js';
import type { Clock } from './clock.js';
import { Turns } from './turns.js';

export interface LinkHandlers {
  /** PING and PONG do not get here. A promise holds back the next frame; a throw ends the link with that error. */
  onMessage(message: Message, seq: number): void | Promise<void>;
  /** Once; not after `close` or `destroy` was called here. `orderly`: the peer ended its stream behind a whole frame, as by `close`. */
  onClosed(error: FerryError, orderly: boolean): void;
}

/** A frame body with 40 bytes of room for its header in front. */
export interface PagesFrame {
  readonly bytes: Uint8Array;
  readonly tableBytes: number;
  /** XXH3-64 of the body, where it is known already. */
  readonly checksum?: bigint | undefined;
  /** Bytes of the body before compression. */
  readonly rawBytes: number;
  release(): void;
}

/** Sees every frame that passes, before it is sent or handled. For recordings. */
export type Tap = (direction: 'out' | 'in', frame: Uint8Array) => void;

/** Makes the tap for one connection; `connection` is a number no other connection of the same driver or listener has. */
export type OpenTap = (connection: number) => Tap;

const heartbeatMs = 1000;
const deadAfterMs = 5000;
const mostAnswerBytes: number = 8 * 1024 * 1024;

/** One connection of a session: messages out and in over a channel, numbered without gaps, with a heartbeat. */
export class Link {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #attempt: number | undefined;
  readonly #tap: Tap | undefined;
  #handlers: LinkHandlers;
  #peerAttempt: number | undefined;
  #sentSeq = 0;
  #receivedSeq = 0;
  #receivedRound = 0;
  #heardAt: number;
  #open = true;
  #busy = false;
  /** Frames of pages that the system has not taken yet. */
  #heldFrames = 0;
  /** Bytes of messages, not of pages, that the system has not taken yet. */
  #answerBytes = 0;
  #pingToken = 0;
  #pingedAt: number | undefined;
  #cancelHeartbeat: () => void = () => {};
  #writable: (() => void)[] = [];
  onRoundTrip: (ms: number) => void = () => {};
  /** Called at every sign of life, as `writable` resolves. */
  onSign: () => void = () => {};
  /** Hashes frame bodies; one that knows where they stand need not copy them. */
  checksumOf: ((bytes: Uint8Array) => bigint) | undefined;
  /** Whether frames of pages get a checksum. */
  sumsPages = true;

  /** `attempt`: ours where we are the source; undefined: taken from the first frame that arrives. */
  constructor(
    channel: Channel,
    clock: Clock,
    attempt: number | undefined,
    handlers: LinkHandlers,
    tap?: Tap,
  ) {
    this.#channel = channel;
    this.#clock = clock;
    this.#turns = Turns.of(clock);
    this.#attempt = attempt;
    this.#handlers = handlers;
    this.#tap = tap;
    this.#heardAt = clock.now();
    channel.onFrame = (frame) => this.#receive(frame);
    channel.onWritable = () => this.#wake();
    channel.onClose = (reason) =>
      this.#closed(
        reason ?? new FerryError('ERR_CONNECTION_LOST', 'the peer closed the connection'),
        reason === undefined,
      );
    this.#beat();
  }

  get remote(): string {
    return this.#channel.remote;
  }

  /** Who was proved to be at the other end. */
  get peer(): ChannelPeer | undefined {
    return this.#channel.peer;
  }

  get open(): boolean {
    return this.#open;
  }

  get attempt(): number {
    return this.#attempt ?? this.#peerAttempt ?? 0;
  }

  /** Frames of pages whose bytes the system has not taken yet. */
  get heldFrames(): number {
    return this.#heldFrames;
  }

  set handlers(handlers: LinkHandlers) {
    this.#handlers = handlers;
  }

  /** Lets the channel read large frames straight into `area`. */
  receiveInto(area: Uint8Array): void {
    this.#channel.receiveInto(area);
  }

  /** Sends a message; returns its seq. Dropped once the link is closed. */
  send(message: Message, round = 0): number {
    const seq = this.#nextSeq();
    const frame = encodeMessage(message, { seq, round, attempt: this.attempt });
    this.#answerBytes += frame.byteLength;
    this.#write(frame, () => {
      this.#answerBytes -= frame.byteLength;
      this.#wake();
    });
    return seq;
  }

  /** Sends captured pages; the frame's bytes belong to the link until it calls `release`. Returns the seq. */
  sendPages(frame: PagesFrame, round: number): number {
    const seq = this.#nextSeq();
    const { tableBytes, rawBytes, checksum } = frame;
    const { attempt } = this;
    const flags = this.sumsPages ? 0 : frameFlag.noChecksum;
    sealFrame(
      frame.bytes,
      { type: 'PAGES', flags, tableBytes, rawBytes, seq, round, attempt },
      checksum === undefined ? this.checksumOf : () => checksum,
    );
    this.#heldFrames += 1;
    this.#write(frame.bytes, () => {
      this.#heldFrames -= 1;
      frame.release();
      this.#wake();
    });
    return seq;
  }

  /** Resolves at the next sign of life: a frame arrived, a sent frame's bytes came free, the channel takes more, or it closed. */
  writable(): Promise<void> {
    return new Promise((resolve) => this.#writable.push(resolve));
  }

  /** Sends what is queued, then ends. */
  async close(): Promise<void> {
    this.#end();
    await this.#channel.close();
  }

  /** Ends at once. */
  destroy(reason?: FerryError): void {
    this.#end();
    this.#channel.destroy(reason);
  }

  #nextSeq(): number {
    if (this.#open) this.#sentSeq += 1;
    return this.#sentSeq;
  }

  #write(frame: Uint8Array, released: () => void): void {
    if (!this.#open) {
      released();
      return;
    }
    this.#tap?.('out', frame);
    this.#channel.send(frame, released);
  }

  /** Most messages are done with at once; a promise makes the channel stop reading, so only those that need it get one. */
  #receive(frame: Uint8Array): void | Promise<void> {
    if (!this.#open) return;
    this.#heardAt = this.#clock.now();
    let handled: void | Promise<void>;
    try {
      const { header, message } = decodeMessage(frame, this.checksumOf);
      this.#tap?.('in', frame);
      this.#checkOrder(header);
      handled = this.#handle(message, header.seq);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#wake();
    if (handled === undefined) return this.#drained() ?? this.#turns.breathe();
    this.#busy = true;
    return handled
      .then(() => this.#turns.breathe())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#busy = false;
        this.#heardAt = this.#clock.now();
      });
  }

  /** A peer that does not read what it asks for gets no more read of it; where that lasts, its silence is its end. */
  #drained(): void | Promise<void> {
    if (this.#answerBytes <= mostAnswerBytes) return;
    return (async () => {
      while (this.#open && this.#answerBytes > mostAnswerBytes) await this.writable();
    })();
  }

  #fail(error: unknown): void {
    const reason = asFerryError(error, 'ERR_UNEXPECTED_MESSAGE');
    this.#channel.destroy(reason);
    this.#closed(reason);
  }

  #handle(message: Message, seq: number): void | Promise<void> {
    // A source says HELLO first: until then it gets no answers, which would cost memory.
    if (this.#attempt === undefined && seq === 1) return this.#handlers.onMessage(message, seq);
    if (message.type === 'PING') {
      this.send({ type: 'PONG', token: message.token });
      return;
    }
    if (message.type === 'PONG') {
      // Only the ping under way is answered; what a peer makes up measures nothing.
      if (message.token === this.#pingToken && this.#pingedAt !== undefined) {
        this.onRoundTrip(this.#clock.now() - this.#pingedAt);
        this.#pingedAt = undefined;
      }
      return;
    }
    if (message.type === 'ACK' && message.seq > this.#sentSeq) {
      const what = `frame ${message.seq} acknowledged, of ${this.#sentSeq} sent`;
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', what);
    }
    return this.#handlers.onMessage(message, seq);
  }

  #checkOrder({ seq, attempt, round }: FrameOrder): void {
    if (seq !== this.#receivedSeq + 1) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `frame ${seq} after frame ${this.#receivedSeq}`,
      );
    }
    const expected = this.#attempt ?? this.#peerAttempt ?? attempt;
    if (attempt !== expected) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `attempt ${attempt} on a link of attempt ${expected}`,
      );
    }
    if (round > 0 && round < this.#receivedRound) {
      const what = `a frame of round ${round} after round ${this.#receivedRound}`;
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', what);
    }
    this.#peerAttempt = attempt;
    this.#receivedSeq = seq;
    if (round > 0) this.#receivedRound = round;
  }

  /** Measures the round trip now. */
  ping(): void {
    this.#pingToken = (this.#pingToken + 1) >>> 0;
    this.#pingedAt = this.#clock.now();
    this.send({ type: 'PING', token: this.#pingToken });
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(heartbeatMs, () => {
      if (!this.#open) return;
      const silentMs = this.#clock.now() - this.#heardAt;
      if (silentMs >= deadAfterMs && !this.#busy) {
        const reason = new FerryError(
          'ERR_PEER_TIMEOUT',
          `nothing heard from the peer for ${(silentMs / 1000).toFixed(1)} s`,
        );
        this.#channel.destroy(reason);
        this.#closed(reason);
        return;
      }
      if (this.attempt > 0) this.ping();
      this.#beat();
    });
  }

  #closed(error: FerryError, orderly = false): void {
    if (!this.#open) return;
    this.#end();
    this.#handlers.onClosed(error, orderly);
  }

  #end(): void {
    this.#open = false;
    this.#cancelHeartbeat();
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#writable;
    this.#writable = [];
    for (const resolve of waiting) resolve();
    this.onSign();
  }
}
