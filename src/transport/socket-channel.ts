import type { OnReadOpts, Socket } from 'node:net';
import { FerryError } from '../errors.js';
import type { Channel } from './channel.js';
import { closeTimeoutMs } from './close-timeout.js';
import type { Intake } from './intake.js';
import { Outbox } from './outbox.js';
import { socketError } from './socket-errors.js';

/** How a socket made with these options reads: straight into the area of `intake`. */
export function readInto(intake: Intake): OnReadOpts {
  return {
    buffer: () => intake.space(),
    callback: (bytes, buffer) => intake.accept(buffer.subarray(0, bytes)),
  };
}

/** Lets a socket without `readInto` deliver its 'data' events to `intake`. */
export function readEvents(socket: Socket, intake: Intake): void {
  socket.on('data', (chunk: Uint8Array) => {
    if (!intake.accept(chunk)) socket.pause();
  });
}

/**
 * Frames this small wait for the others of their turn, so that an acknowledgement and the answer behind it leave in one write: a write
 * wakes the peer, and where it sleeps that costs more than the bytes.
 */
const gatheredBytes = 1024;

/** A connected socket as a channel; `intake` must be fed by it. */
export class SocketChannel implements Channel {
  readonly remote: string;
  onFrame: (frame: Uint8Array) => void | Promise<void> = () => {};
  onWritable: () => void = () => {};
  onClose: (reason: FerryError | undefined) => void = () => {};
  readonly #socket: Socket;
  readonly #intake: Intake;
  readonly #outbox = new Outbox();
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #state: 'open' | 'ending' | 'closed' = 'open';
  /** What 'close' will report, where it is not an orderly end. */
  #reason: FerryError | undefined;
  #giveUp: NodeJS.Timeout | undefined;
  #gathering = false;

  constructor(socket: Socket, intake: Intake) {
    this.#socket = socket;
    this.#intake = intake;
    this.remote = addressOf(socket);
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    intake.attach({
      onFrame: (frame) => this.onFrame(frame),
      onResume: () => this.#socket.resume(),
      onFailure: (reason) => this.destroy(reason),
    });
    socket.on('error', (error) => {
      if (this.#state === 'open') this.#reason ??= socketError(error, `lost ${this.remote}`);
    });
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#finish());
    // 44 ms more downtime without it: the last, small frames would wait for an acknowledgement.
    socket.setNoDelay(true);
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
    if (frame.length <= gatheredBytes) this.#gather();
    this.#socket.write(frame, () => {
      release();
      if (this.#state === 'open' && this.#outbox.becameWritable()) this.onWritable();
    });
    if (frame.length > gatheredBytes) this.#leave();
    return this.#outbox.askForRoom();
  }

  /** Holds back what is written until this turn's promises have settled. */
  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#socket.cork();
    process.nextTick(() => this.#leave());
  }

  #leave(): void {
    if (!this.#gathering) return;
    this.#gathering = false;
    this.#socket.uncork();
  }

  receiveInto(area: Uint8Array): void {
    this.#intake.useArea(area);
  }

  close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ending';
      this.#giveUp = setTimeout(() => this.#socket.destroy(), closeTimeoutMs);
      // Go on reading, to throw it away: closing with unread bytes would reset the connection, and
      // with it what the peer has not read yet.
      this.#intake.stop();
      this.#socket.resume();
      this.#socket.end();
    }
    return this.#closed;
  }

  destroy(reason?: FerryError): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#state = 'closed';
    this.#intake.stop();
    if (before === 'open') {
      this.#reason ??= reason;
      // A reset, so that the peer does not take it for an orderly end.
      this.#socket.resetAndDestroy();
    } else {
      // libuv refuses to reset what is being shut down.
      this.#socket.destroy();
    }
  }

  /** The peer sends nothing more, and reads nothing: what is queued here is for nobody. */
  #ended(): void {
    if (this.#state !== 'open') return;
    if (this.#intake.insideFrame) {
      const what = `${this.remote} ended inside a frame`;
      this.#reason ??= new FerryError('ERR_CONNECTION_LOST', what);
    }
    this.#state = 'closed';
    this.#intake.stop();
    this.#socket.destroy();
  }

  #finish(): void {
    this.#state = 'closed';
    clearTimeout(this.#giveUp);
    this.#intake.stop();
    this.#outbox.releaseAll();
    this.onClose(this.#reason);
    this.#resolveClosed();
  }
}

function addressOf({ remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined) return 'unknown';
  return remoteFamily === 'IPv6'
    ? `[${remoteAddress}]:${remotePort}`
    : `${remoteAddress}:${remotePort}`;
}
