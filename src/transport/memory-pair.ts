import { FerryError } from '../errors.js';
import type { Channel } from './channel.js';
import { closeTimeoutMs } from './close-timeout.js';
import { Intake } from './intake.js';
import { MemoryLane, type MemoryLink } from './memory-lane.js';
import { Outbox } from './outbox.js';

export interface MemoryPairOptions {
  /** How many of `available` bytes (at least 1) arrive together, 1 to `available`; default: all. */
  readonly fragment?: (available: number) => number;
  /** Cuts the link once so many bytes, both ways together, have arrived; default: never. */
  readonly cutAfterBytes?: number;
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
  const link: MemoryLink = {
    schedule,
    take: (available) => Math.min(fragment(available), cutAfterBytes - deliveredBytes),
    delivered(bytes) {
      deliveredBytes += bytes;
      if (deliveredBytes >= cutAfterBytes) cut();
    },
  };
  const toA = new Intake();
  const toB = new Intake();
  const fromA = new MemoryLane(link, toB);
  const fromB = new MemoryLane(link, toA);
  const a = new MemoryChannel('memory:b', schedule, toA, fromB, fromA);
  const b = new MemoryChannel('memory:a', schedule, toB, fromA, fromB);
  a.onGone = () => b.peerGone();
  b.onGone = () => a.peerGone();
  function cut(): void {
    a.peerGone();
    b.peerGone();
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

class MemoryChannel implements Channel {
  readonly remote: string;
  onFrame: (frame: Uint8Array) => void | Promise<void> = () => {};
  onWritable: () => void = () => {};
  onClose: (reason: FerryError | undefined) => void = () => {};
  /** The peer's way to learn that this end was destroyed. */
  onGone: () => void = () => {};
  readonly #schedule: (task: () => void) => void;
  readonly #intake: Intake;
  readonly #incoming: MemoryLane;
  readonly #outgoing: MemoryLane;
  readonly #outbox = new Outbox();
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #state: 'open' | 'ending' | 'closed' = 'open';
  #giveUp: NodeJS.Timeout | undefined;

  constructor(
    remote: string,
    schedule: (task: () => void) => void,
    intake: Intake,
    incoming: MemoryLane,
    outgoing: MemoryLane,
  ) {
    this.remote = remote;
    this.#schedule = schedule;
    this.#intake = intake;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    intake.attach({
      onFrame: (frame) => this.onFrame(frame),
      onResume: () => incoming.resume(),
      onFailure: (reason) => this.destroy(reason),
    });
    incoming.onEnd = () => {
      this.#finish(undefined);
      this.onGone();
    };
    outgoing.onMoved = () => {
      if (this.#outbox.becameWritable()) this.onWritable();
    };
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  send(frame: Uint8Array, released: () => void = () => {}): boolean {
    if (this.#state !== 'open') {
      queueMicrotask(released);
      return true;
    }
    this.#outgoing.push(frame, this.#outbox.add(frame.length, released));
    return this.#outbox.askForRoom();
  }

  receiveInto(area: Uint8Array): void {
    this.#intake.useArea(area);
  }

  close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ending';
      this.#giveUp = setTimeout(() => this.destroy(), closeTimeoutMs);
      // What still comes is thrown away, so that the peer's end can be seen behind it.
      this.#intake.stop();
      this.#incoming.resume();
      this.#outgoing.end();
    }
    return this.#closed;
  }

  destroy(reason?: FerryError): void {
    if (this.#state === 'closed') return;
    this.#finish(this.#state === 'ending' ? undefined : reason);
    this.onGone();
  }

  /** The other end, or the link, is no more. */
  peerGone(): void {
    if (this.#state === 'closed') return;
    const lost = new FerryError('ERR_CONNECTION_LOST', `${this.remote} is gone`);
    this.#finish(this.#state === 'ending' ? undefined : lost);
  }

  #finish(reason: FerryError | undefined): void {
    this.#state = 'closed';
    clearTimeout(this.#giveUp);
    this.#intake.stop();
    this.#incoming.drop();
    this.#outgoing.drop();
    this.#schedule(() => {
      this.#outbox.releaseAll();
      this.onClose(reason);
      this.#resolveClosed();
    });
  }
}
