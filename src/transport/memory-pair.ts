import { FerryError } from '../errors.js';
import type { Channel } from './channel.js';
import { FrameChannel, type Pipe } from './frame-channel.js';
import { Intake } from './intake.js';
import { MemoryLane, type MemoryLink } from './memory-lane.js';

export interface MemoryPairOptions {
  /** How many of `available` bytes (at least 1) arrive together, 1 to `available`; default: all. */
  readonly fragment?: (available: number) => number;
  /** Cuts the link once so many bytes, both ways together, have arrived; default: never. */
  readonly cutAfterBytes?: number;
  /**
   * After a cut: `a` is told at once, what it sent goes on arriving at `b`, which is told when `end` is called, as of a connection half of which is
   * gone. Default: both are told, and nothing arrives.
   */
  readonly lingers?: (end: () => void) => void;
  /** Runs each delivery later, in order; default: setImmediate. A simulation brings its own. */
  readonly schedule?: (task: () => void) => void;
}

export interface MemoryPair {
  readonly a: Channel;
  readonly b: Channel;
  /** Bytes that have arrived, both ways together. */
  readonly deliveredBytes: number;
  /** Ends the link for both as a lost connection; what is under way is dropped. */
  cut(): void;
}

/** Two channels of one process, joined. Bytes are copied when they arrive, not when they are sent. */
export function memoryPair(options: MemoryPairOptions = {}): MemoryPair {
  const { fragment = (available: number) => available } = options;
  const { cutAfterBytes = Number.POSITIVE_INFINITY } = options;
  const { schedule = (task: () => void) => void setImmediate(task) } = options;
  let deliveredBytes = 0;
  let isCut = false;
  const link: MemoryLink = {
    schedule,
    take: (available) =>
      isCut ? fragment(available) : Math.min(fragment(available), cutAfterBytes - deliveredBytes),
    delivered(bytes) {
      deliveredBytes += bytes;
      if (!isCut && deliveredBytes >= cutAfterBytes) cut();
    },
  };
  const toA = new Intake();
  const toB = new Intake();
  const fromA = new MemoryLane(link, toB);
  const fromB = new MemoryLane(link, toA);
  const pipeA = new MemoryPipe('memory:b', schedule, fromB, fromA);
  const pipeB = new MemoryPipe('memory:a', schedule, fromA, fromB);
  const a = new FrameChannel(pipeA, toA);
  const b = new FrameChannel(pipeB, toB);
  pipeA.join(a, pipeB);
  pipeB.join(b, pipeA);
  function cut(): void {
    isCut = true;
    if (options.lingers !== undefined) {
      pipeA.goneAlone();
      options.lingers(() => pipeB.peerGone());
      return;
    }
    pipeA.peerGone();
    pipeB.peerGone();
  }
  return {
    a,
    b,
    get deliveredBytes() {
      return deliveredBytes;
    },
    cut,
  };
}

/** One end's two lanes. */
class MemoryPipe implements Pipe {
  readonly remote: string;
  readonly #schedule: (task: () => void) => void;
  readonly #incoming: MemoryLane;
  readonly #outgoing: MemoryLane;
  #channel: FrameChannel | undefined;
  #peer: MemoryPipe | undefined;
  #over = false;

  constructor(
    remote: string,
    schedule: (task: () => void) => void,
    incoming: MemoryLane,
    outgoing: MemoryLane,
  ) {
    this.remote = remote;
    this.#schedule = schedule;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  /** Names the channel before it and the pipe at the other end; call once. */
  join(channel: FrameChannel, peer: MemoryPipe): void {
    this.#channel = channel;
    this.#peer = peer;
    this.#incoming.onEnd = () => {
      channel.ended();
      this.destroy();
    };
  }

  write(frame: Uint8Array, taken: () => void): void {
    this.#outgoing.push(frame, taken);
  }

  resume(): void {
    this.#incoming.resume();
  }

  end(): void {
    this.#outgoing.end();
  }

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#incoming.drop();
    this.#outgoing.drop();
    this.#schedule(() => this.#channel?.closed());
    this.#peer?.peerGone();
  }

  /** The link is no more for this end; what it sent is under way all the same. */
  goneAlone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#channel?.lost(gone(this.remote));
    this.#incoming.drop();
    this.#outgoing.keep();
    this.#schedule(() => this.#channel?.closed());
  }

  /** The other end, or the link, is no more. */
  peerGone(): void {
    this.#channel?.lost(gone(this.remote));
    this.#channel?.destroy();
  }
}

function gone(remote: string): FerryError {
  return new FerryError('ERR_CONNECTION_LOST', `${remote} is gone`);
}
