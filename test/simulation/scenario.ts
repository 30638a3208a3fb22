import type { MigrationEvent, MigrationReport } from '../../src/migration/events.js';
import type { MigrateOptions } from '../../src/migration/options.js';

/** One migration in virtual time, over the product's own machines, drivers, engines, framer and messages. */
export interface Scenario {
  readonly seed: number;
  readonly pages: number;
  readonly tracker: 'marks' | 'hash' | 'compare';
  /** Only the first three pages of each 64 hold anything but zeros: several channels at little cost. */
  readonly sparse?: boolean;
  /** The destination's memory is known to be zero; else it is full of rubbish and nothing may be taken for granted. */
  readonly fresh?: boolean;
  /** The destination's memory is an older copy: so many of 16 pages are as they are at the source. */
  readonly heldOf16?: number;
  /** Connections, counted from 0, before which the destination was started again, and knows nothing but what its journal says. */
  readonly restarts?: readonly number[];
  /** Where it is started again what its memory was filled with is there, and said to be an older copy. Default: it is as it was at first. */
  readonly keeps?: boolean;
  /** Bytes of state beside the memory. */
  readonly stateBytes?: number;
  /** The state is rehearsed while rounds go on; it changes a little with each write. */
  readonly rehearsable?: boolean;
  /** The memory grows by a page this often, up to twice its size. */
  readonly growEveryMs?: number;
  /** Cut the link once so many bytes, both ways together, have arrived; it can be made again at once. */
  readonly cutAfterBytes?: number;
  /** After a cut what the source sent on the connection goes on arriving for so long, virtual milliseconds. Default: nothing does. */
  readonly lingersMs?: number;
  /** More cuts: the nth connection, from 0, once so many bytes have arrived on it. */
  readonly cuts?: readonly (number | undefined)[];
  /** Which connection is cut: 0 (default) the control channel, from 1 on a page channel. */
  readonly cutConnection?: number;
  /** Never make the link again after the cut. */
  readonly staysCut?: boolean;
  /** On the nth connection, from 0, nothing arrives behind so many bytes, and nobody is told. */
  readonly silences?: readonly (number | undefined)[];
  /** A process ends, guest and all, once so many bytes have arrived on a connection, from 0. */
  readonly crash?: Crash;
  /** A link, or a process, ends in the middle of the switchover, whichever connection that is on. */
  readonly turn?: Turn;
  /** Flip one bit of this byte of what the source (or the destination) sends on connection 0. */
  readonly flip?: Omit<Flip, 'connection'>;
  /** More flipped bits, on any connection. */
  readonly flips?: readonly Flip[];
  /** A hostile source: its first PAGES frame is replaced, checksums and all. */
  readonly forge?: (frame: Uint8Array) => Uint8Array;
  /** Bits of `capability` that one of the ends does not have. */
  readonly lacks?: number;
  /** A byte of the destination's memory changes by itself once the first pages are there. */
  readonly decays?: boolean;
  /** So many ACKs on the control channel say that they are. Default 1. */
  readonly decayAfterAcks?: number;
  /** Virtual milliseconds after which all is left as it is. Default 60,000. */
  readonly horizonMs?: number;
  /** How long the destination waits for a source that was cut off, virtual milliseconds. Default 4000; the source tries for 2000. */
  readonly destinationOutageMs?: number;
  /** What an operator says to each side ten virtual seconds later. */
  readonly operator?: {
    readonly source?: 'resume' | 'abandon';
    readonly destination?: 'resume' | 'abandon';
  };
  readonly options?: MigrateOptions;
  /** With each write the guest also copies a stretch of its memory elsewhere. */
  readonly moves?: boolean;
  /** Virtual milliseconds between two moments in which the guest writes. */
  readonly writeEveryMs?: number;
  /** From then on it writes a tenth as often. */
  readonly calmAfterMs?: number;
  /**
   * How often it then writes, each time a byte anywhere or a page of noise, unless it is slowed; default 1. `nowMs`: since the beginning.
   */
  readonly writes?: (nowMs: number) => number;
  readonly writesPages?: boolean;
  /** How often it writes in its last moment, when it is asked to pause for the `attempt`th time, from 1. */
  readonly writesAtPause?: (attempt: number) => number;
  /** Virtual milliseconds that the destination takes to load the state. */
  readonly loadMs?: number;
  /** Every timer of the source fires so much later than it should. */
  readonly timersLateMs?: number;
  /** Most bytes that arrive in one turn of the link, which takes `latencyMs`; default: all that were sent. */
  readonly bytesPerTurn?: number;
  /** One way, virtual milliseconds. */
  readonly latencyMs?: number;
  /** That of page channels, where it is another. */
  readonly pagesLatencyMs?: number;
  /** That of connections by number, where it is yet another. */
  readonly latenciesMs?: readonly (number | undefined)[];
  /** Of all that workers say, what is lost with the worker itself; counted from 1. */
  readonly workerLostAt?: number;
  /** Connections the destination takes. */
  readonly maxConnections?: number;
  /** What a session may make it write. */
  readonly maxSessionBytes?: number;
}

export interface Crash {
  readonly side: 'source' | 'destination';
  readonly connection: number;
  readonly afterBytes: number;
  /** A destination is started again so much later, as `restarts` says, virtual milliseconds; absent: never. */
  readonly restartMs?: number;
}

export interface Turn {
  /** Once the first of these was sent, and so many bytes more have arrived, both ways together. */
  readonly on: 'PREPARE' | 'READY' | 'COMMIT' | 'RUNNING';
  readonly moreBytes: number;
  readonly ends: 'link' | Crash['side'];
  /** As that of a crash. */
  readonly restartMs?: number;
}

export interface Flip {
  readonly connection: number;
  readonly from: 'source' | 'destination';
  readonly byte: number;
}

/** How it ended. */
export interface Outcome {
  readonly deliveredBytes: number;
  /** On each connection. */
  readonly delivered: readonly number[];
  readonly source: 'running' | 'paused';
  readonly destination: 'running' | 'stopped';
  readonly sourcePhase: string;
  readonly destinationPhase: string;
  /** The process that crashed. */
  readonly crashed: 'source' | 'destination' | undefined;
  readonly completed: boolean;
  readonly failure: string | undefined;
  readonly report: MigrationReport | undefined;
  /** Frames of pages sent on each connection. */
  readonly pagesFrames: readonly number[];
  /** How often a worker said something. */
  readonly workerNews: number;
  readonly events: readonly MigrationEvent[];
  readonly retreats: number;
  /** How long the guest stood still each time, until it ran on at either side; virtual milliseconds. */
  readonly pauses: readonly number[];
  /** The destination's memory is as it was before anything arrived. */
  readonly untouched: boolean;
  /** What must never be: in words, empty if all is well. */
  readonly violations: readonly string[];
  readonly virtualMs: number;
  /** Share of its speed the source's guest had lost in the end. */
  readonly slowedBy: number;
  /** What it was told to lose of it, in order. */
  readonly slowings: readonly number[];
}
