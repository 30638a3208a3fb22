import { FerryError } from '../errors.js';
import type { Channel, ChannelPeer } from './channel.js';
import type { Intake } from './intake.js';
import { Outbox } from './outbox.js';

/** How long a close may take: a peer that reads nothing must not hold it up. */
const closeTimeoutMs = 1000;

/** Where a channel's bytes go, and how that ends: a socket, or memory that stands for one. */
export interface Pipe {
  readonly remote: string;
  /** Queues a frame's bytes; `taken` is called once they are no longer needed, unless the pipe ends before. */
  write(frame: Uint8Array, taken: () => void): void;
  /** The intake takes bytes again. */
  resume(): void;
  /** Sends what is queued, then ends. */
  end(): void;
  /** Ends at once. `abrupt`: so that the peer does not take it for an orderly end, where the pipe can tell the two apart. */
  destroy(abrupt: boolean): void;
}

/**
 * A channel over a pipe: its callbacks, the books of what is queued, and how it ends. Whoever makes it feeds `intake` and tells what
 * becomes of the pipe: `lost`, `ended`, and at last `closed`.
 */
export class FrameChannel implements Channel {
  readonly remote: string;
  readonly peer: ChannelPeer | undefined;
  onFrame: (frame: Uint8Array) => void | Promise<void> = () => {};
  onWritable: () => void = () => {};
  onClose: (reason: FerryError | undefined) => void = () => {};
  readonly #pipe: Pipe;
  readonly #intake: Intake;
  readonly #outbox = new Outbox();
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #state: 'open' | 'ending' | 'closed' = 'open';
  /** What `onClose` will be told, where it is not an orderly end. */
  #reason: FerryError | undefined;
  #giveUp: NodeJS.Timeout | undefined;

  constructor(pipe: Pipe, intake: Intake, peer?: ChannelPeer) {
    this.remote = pipe.remote;
    this.peer = peer;
    this.#pipe = pipe;
    this.#intake = intake;
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    intake.attach({
      onFrame: (frame) => this.onFrame(frame),
      onResume: () => pipe.resume(),
      onFailure: (reason) => this.destroy(reason),
    });
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  send(frame: Uint8Array, released: () => void = () => {}): boolean {
    if (this.#state !== 'open') {
      queueMicrotask(released);
      return true;
    }
    const release = this.#outbox.add(frame.length, released);
    this.#pipe.write(frame, () => {
      release();
      if (this.#state === 'open' && this.#outbox.becameWritable()) this.onWritable();
    });
    return this.#outbox.askForRoom();
  }

  receiveInto(area: Uint8Array): void {
    this.#intake.useArea(area);
  }

  close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ending';
      this.#giveUp = setTimeout(() => this.destroy(), closeTimeoutMs);
      // Go on reading, to throw it away: closing with unread bytes would reset a connection, and with it what the peer has not read
      // yet; and the peer's end is seen only behind what it sent.
      this.#intake.stop();
      this.#pipe.resume();
      this.#pipe.end();
    }
    return this.#closed;
  }

  destroy(reason?: FerryError): void {
    if (this.#state === 'closed') return;
    const wasOpen = this.#state === 'open';
    if (wasOpen) this.#reason ??= reason;
    this.#stop();
    this.#pipe.destroy(wasOpen);
  }

  /** The pipe broke, and will close. Where it was to end anyway that is no news. */
  lost(reason: FerryError): void {
    if (this.#state === 'open') this.#reason ??= reason;
  }

  /** The peer sends nothing more, and reads nothing: what is queued here is for nobody. */
  ended(): void {
    if (this.#state !== 'open') return;
    if (this.#intake.insideFrame) {
      const what = `${this.remote} ended inside a frame`;
      this.#reason ??= new FerryError('ERR_CONNECTION_LOST', what);
    }
    this.#stop();
    this.#pipe.destroy(false);
  }

  /** The pipe is no more. Not from within a call into the channel. */
  closed(): void {
    this.#stop();
    clearTimeout(this.#giveUp);
    this.#outbox.releaseAll();
    this.onClose(this.#reason);
    this.#resolveClosed();
  }

  #stop(): void {
    this.#state = 'closed';
    this.#intake.stop();
  }
}
