import type { Socket } from 'node:net';
import { Random } from '../reference/random.js';
import { type Crossing, CrossingServer } from './crossing.js';
import { Lane } from './lane.js';
import { LinkSchedule, type LinkShape } from './link-shape.js';

export interface RelayOptions {
  /** A port of this machine: where everything goes. */
  readonly target: number;
  /** Where to listen. Default: a free port of 127.0.0.1. */
  readonly port?: number;
  readonly host?: string;
  /** From whoever connects to the target, and back. All connections share the link. */
  readonly there: LinkShape;
  readonly back: LinkShape;
  /** Keeps times below a millisecond by keeping the thread: for a relay that has its process to itself. Default false. */
  readonly precise?: boolean;
  /** Of the jitter. Default 1. */
  readonly seed?: number;
}

/** A nap takes at least so long; what is due sooner is waited for awake. */
const shortestNapMs = 0.15;

/** A link before a destination, made of TCP connections: slow, long, uneven, stalled or cut, but without loss. Needs no root. */
export class Relay {
  readonly #server: CrossingServer;
  readonly #there: LinkSchedule;
  readonly #back: LinkSchedule;
  readonly #precise: boolean;
  readonly #lanes = new Set<Lane>();
  /** Resets that wait for the end of a stall. */
  readonly #lost: (() => void)[] = [];
  readonly #napCell = new Int32Array(new SharedArrayBuffer(4));
  #stalledAt: number | undefined;
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor({ target, there, back, precise = false, seed = 1 }: RelayOptions) {
    const random = new Random(seed);
    const uniform = (): number => random.u32() / 2 ** 32;
    this.#there = new LinkSchedule(there, uniform);
    this.#back = new LinkSchedule(back, uniform);
    this.#precise = precise;
    this.#server = new CrossingServer(target, (source, destination) =>
      this.#join(source, destination),
    );
  }

  static async open(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    await relay.#server.listen(options.port, options.host);
    return relay;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Nothing arrives any more, not even a reset, until `resume`. */
  stall(): void {
    this.#stalledAt ??= performance.now();
  }

  /** What was under way at `stall` goes on its way. */
  resume(): void {
    if (this.#stalledAt === undefined) return;
    const ms = performance.now() - this.#stalledAt;
    this.#stalledAt = undefined;
    for (const schedule of [this.#there, this.#back]) schedule.postpone(ms);
    for (const lane of this.#lanes) lane.postpone(ms);
    for (const cut of this.#lost.splice(0)) cut();
    this.#wake();
  }

  /** Resets every connection; what is under way is lost. */
  cut(): void {
    this.#server.cut();
  }

  close(): void {
    this.#server.close();
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
  }

  #join(source: Socket, destination: Socket): Crossing {
    const now = (): number => performance.now();
    const onBusy = (): void => this.#wake();
    const lanes = [
      new Lane(source, destination, this.#there, now, onBusy),
      new Lane(destination, source, this.#back, now, onBusy),
    ];
    for (const lane of lanes) this.#lanes.add(lane);
    const cut = (): void => {
      for (const lane of lanes) {
        lane.drop();
        this.#lanes.delete(lane);
      }
      source.resetAndDestroy();
      destination.resetAndDestroy();
    };
    const lost = (): void => {
      if (this.#stalledAt === undefined) cut();
      else this.#lost.push(cut);
    };
    return { cut, lost };
  }

  /** Looks after the lanes once everything that has arrived was read. */
  #wake(): void {
    if (this.#turn !== undefined || this.#stalledAt !== undefined) return;
    clearTimeout(this.#timer);
    this.#turn = setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    this.#turn = undefined;
    if (this.#stalledAt !== undefined) return;
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      next = Math.min(next, lane.deliver());
      if (lane.isOver) this.#lanes.delete(lane);
    }
    if (next === Number.POSITIVE_INFINITY) return;
    const waitMs = next - performance.now();
    if (!this.#precise) {
      this.#timer = setTimeout(() => this.#deliver(), waitMs);
      return;
    }
    // The system adds some 0.1 ms to the shortest sleep; a longer one would keep new bytes from being read.
    if (waitMs > shortestNapMs) Atomics.wait(this.#napCell, 0, 0, 0.01);
    this.#wake();
  }
}
