import type { OnReadOpts, Socket } from 'node:net';
import { typeOf } from '../protocol/header.js';
import type { MessageName } from '../protocol/index.js';
import type { ChannelPeer } from './channel.js';
import { FrameChannel, type Pipe } from './frame-channel.js';
import type { Intake } from './intake.js';
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

/**
 * What a guest that stands still waits for leaves at once, with what was gathered before it: not behind whatever this end does in the same turn, such as telling
 * somebody that the guest has arrived.
 */
const awaited: ReadonlySet<MessageName | undefined> = new Set<MessageName>([
  'PREPARE',
  'READY',
  'COMMIT',
  'RUNNING',
]);

/** A connected socket as a channel; `intake` must be fed by it. `peer`: who was proved to be at its other end. */
export function socketChannel(socket: Socket, intake: Intake, peer?: ChannelPeer): FrameChannel {
  const pipe = new SocketPipe(socket);
  const channel = new FrameChannel(pipe, intake, peer);
  socket.on('error', (error) => channel.lost(socketError(error, `lost ${pipe.remote}`)));
  socket.on('end', () => channel.ended());
  socket.on('close', () => channel.closed());
  // 44 ms more downtime without it: the last, small frames would wait for an acknowledgement.
  socket.setNoDelay(true);
  return channel;
}

class SocketPipe implements Pipe {
  readonly remote: string;
  readonly #socket: Socket;
  #gathering = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remote = addressOf(socket);
  }

  write(frame: Uint8Array, taken: () => void): void {
    const mayWait = frame.length <= gatheredBytes && !awaited.has(typeOf(frame));
    if (mayWait) this.#gather();
    this.#socket.write(frame, taken);
    if (!mayWait) this.#leave();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(abrupt: boolean): void {
    // A reset is told from an orderly end. libuv refuses to reset what is being shut down.
    if (abrupt && !('encrypted' in this.#socket)) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
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
}

/** "127.0.0.1:4711", "[::1]:4711". */
export function addressOf({ remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined) return 'unknown';
  return remoteFamily === 'IPv6'
    ? `[${remoteAddress}]:${remotePort}`
    : `${remoteAddress}:${remotePort}`;
}
