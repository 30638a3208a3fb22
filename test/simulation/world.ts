import type { FerryError } from '../../src/errors.js';
import { type Clock, sleep } from '../../src/migration/clock.js';
import type { MigrationEvent, MigrationReport } from '../../src/migration/events.js';
import { type MigrateOptions, resolveOptions } from '../../src/migration/options.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import { messageType } from '../../src/protocol/messages.js';
import type { Channel } from '../../src/transport/channel.js';
import { type MemoryPair, memoryPair } from '../../src/transport/memory-pair.js';
import { crewThreads } from '../reference/crew-threads.js';
import { bytesOf, type GrowingMemory, SimGuest, sameBytes } from './sim-guest.js';
import { leaveOut, tamper } from './tamper.js';
import { VirtualClock } from './virtual-clock.js';

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
  /** Connections, counted from 0, before which the destination was started again, and knows nothing. */
  readonly restarts?: readonly number[];
  /** What its memory was filled with is there, then, and said to be an older copy. Default: rubbish. */
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
  /** Flip one bit of this byte of what the source (or the destination) sends. */
  readonly flip?: { readonly from: 'source' | 'destination'; readonly byte: number };
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

/** How it ended. */
export interface Outcome {
  readonly deliveredBytes: number;
  /** On each connection. */
  readonly delivered: readonly number[];
  readonly source: 'running' | 'paused';
  readonly destination: 'running' | 'stopped';
  readonly sourcePhase: string;
  readonly destinationPhase: string;
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

const pageBytes = 4096;
const longestMs = 60_000;
/** The longest a worker takes to be heard, virtual milliseconds. */
const workersMs = 0.5;

/** xorshift32: the same numbers for the same seed, everywhere. */
function randomFrom(seed: number): () => number {
  let x = seed >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x;
  };
}

/** Memory that may grow, as a WebAssembly.Memory does: the bytes are read anew each time. */
function growingMemory(image: Uint8Array, maxPages: number, isShared = false): GrowingMemory {
  const byteLength = maxPages * pageBytes;
  const buffer = isShared ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength);
  new Uint8Array(buffer).set(image);
  return { buffer, byteLength: image.byteLength };
}

/** Makes so many of each 16 pages as they are in `image`; the others differ in a byte. */
function keepPages(into: Uint8Array, image: Uint8Array, heldOf16: number): void {
  into.set(image);
  for (let page = 0; page * pageBytes < into.byteLength; page++) {
    if ((page * 7) % 16 < heldOf16) continue;
    const at = page * pageBytes + ((page * 611) % pageBytes);
    into[at] = (into[at] ?? 0) ^ 0x40;
  }
}

/** Runs one migration until both sides rest, then lets the survivor write on for a while. */
export async function simulate(scenario: Scenario): Promise<Outcome> {
  const clock = new VirtualClock();
  const random = randomFrom(scenario.seed);
  const randomBytes = (bytes: number): Uint8Array =>
    Uint8Array.from({ length: bytes }, () => random() & 0xff);
  const violations: string[] = [];
  const running = { source: true, destination: false };
  const maxPages = scenario.pages * 2;
  const { connections = 1, workers = 0 } = scenario.options ?? {};

  const image = firstImage(scenario.pages, scenario.sparse === true, random);
  const expected = growingMemory(image, maxPages);
  const state = randomBytes(scenario.stateBytes ?? 0);
  const rubbish =
    scenario.fresh === true ? new Uint8Array(image.byteLength) : randomBytes(image.byteLength);
  if (scenario.heldOf16 !== undefined) keepPages(rubbish, image, scenario.heldOf16);
  let isHeld = scenario.heldOf16 !== undefined;
  const pauses: number[] = [];
  let attempts = 0;
  let pausedAt = 0;
  const write = (guest: SimGuest): void => {
    if (scenario.writesPages === true) {
      const page = (random() % (expected.byteLength / pageBytes)) * pageBytes;
      const noise = randomBytes(pageBytes);
      guest.fill(page, noise);
      bytesOf(expected).set(noise, page);
      return;
    }
    const offset = random() % expected.byteLength;
    const value = random() & 0xff;
    guest.write(offset, value);
    bytesOf(expected)[offset] = value;
  };
  const source = new SimGuest(growingMemory(image, maxPages, workers > 0), scenario.tracker, {
    running: (runs) => {
      if (runs && !running.source) pauses.push(clock.now() - pausedAt);
      if (!runs && running.source) {
        attempts += 1;
        pausedAt = clock.now();
        for (let left = scenario.writesAtPause?.(attempts) ?? 0; left > 0; left--) write(source);
      }
      running.source = runs;
    },
    state,
    rehearsable: scenario.rehearsable ?? false,
  });
  const destinationMemory = growingMemory(rubbish, maxPages);
  const destination = new SimGuest(destinationMemory, scenario.tracker, {
    fresh: scenario.fresh ?? false,
    held: () => isHeld,
    running: (runs) => {
      running.destination = runs;
      if (!runs) return;
      pauses.push(clock.now() - pausedAt);
      if (!sameBytes(destination.bytes(), bytesOf(expected))) {
        violations.push('started with other memory than the source wrote');
      }
      if (Buffer.compare(destination.state, state) !== 0)
        violations.push('started with another state');
    },
    loading: () => sleep(clock, scenario.loadMs ?? 0),
    state: new Uint8Array(),
    rehearsable: scenario.rehearsable ?? false,
  });
  const check = (): void => {
    if (running.source && running.destination) violations.push(`both run at ${clock.now()} ms`);
  };

  const survivor = (): SimGuest | undefined =>
    running.destination ? destination : running.source ? source : undefined;
  let owed = 0;
  const run = (): void => {
    const guest = survivor();
    if (guest !== undefined) owed += (scenario.writes?.(clock.now()) ?? 1) * (1 - guest.slowedBy);
    for (; guest !== undefined && owed >= 1; owed--) {
      write(guest);
      if (scenario.rehearsable === true && guest === source)
        state[random() % state.length] = random() & 0xff;
      if (scenario.moves === true) {
        const bytes = 1 + (random() % 6000);
        const from = random() % (expected.byteLength - bytes);
        const to = random() % (expected.byteLength - bytes);
        guest.move(from, to, bytes);
        bytesOf(expected).copyWithin(to, from, from + bytes);
      }
    }
    clock.after(scenario.writeEveryMs ?? 7, run);
  };
  clock.after(1, run);
  const grow = (everyMs: number): void => {
    if (running.source && expected.byteLength < maxPages * pageBytes) {
      source.growBy(pageBytes);
      expected.byteLength += pageBytes;
      // Zeros would not be sent.
      const offset = expected.byteLength - 1;
      source.write(offset, 7);
      bytesOf(expected)[offset] = 7;
    }
    clock.after(everyMs, () => grow(everyMs));
  };
  if (scenario.growEveryMs !== undefined) grow(scenario.growEveryMs);

  const newSessions = (): Sessions =>
    new Sessions({
      accept: () => destination.guest,
      limits: {
        maxImageBytes: 1 << 30,
        maxStateBytes: 1 << 20,
        maxSessionBytes: scenario.maxSessionBytes,
      },
      clock,
      maxSessions: 4,
      maxConnections: scenario.maxConnections,
      maxOutageMs: scenario.destinationOutageMs ?? 4000,
      emit: () => {},
      onArrival: () => {},
      onFailure: () => {},
    });
  let sessions = newSessions();
  const { latencyMs = 0.1, pagesLatencyMs = latencyMs } = scenario;
  const pagesFrames: number[] = [];
  const links: MemoryPair[] = [];
  const events: MigrationEvent[] = [];
  const { bytesPerTurn = Number.POSITIVE_INFINITY } = scenario;
  const workerMs = (): number => workersMs * (random() / 2 ** 32);
  const threads = crewThreads(() => sleep(clock, workerMs()), scenario.workerLostAt);
  const driver = new SourceDriver({
    guest: source.guest,
    connect: async () => {
      if (links.length >= connections && scenario.staysCut === true) throw new Error('no link');
      const oneWayMs =
        scenario.latenciesMs?.[links.length] ?? (links.length === 0 ? latencyMs : pagesLatencyMs);
      const first = links.length === 0;
      // One that runs the guest would take it along.
      if (!running.destination && scenario.restarts?.includes(links.length) === true) {
        sessions = newSessions();
        isHeld = scenario.keeps === true;
        // Handing out its bytes ends that a region is fresh.
        if (!isHeld) destination.guest.regions[0]?.memory?.().fill(0x5a);
      }
      const isCut = links.length === (scenario.cutConnection ?? 0);
      const cutAfterBytes =
        scenario.cuts?.[links.length] ?? (isCut ? scenario.cutAfterBytes : undefined);
      const pair = memoryPair({
        schedule: (task) => void clock.after(oneWayMs, task),
        fragment: (available) => Math.min(available, bytesPerTurn),
        ...(cutAfterBytes === undefined ? {} : { cutAfterBytes }),
        ...(scenario.lingersMs === undefined
          ? {}
          : { lingers: (end: () => void) => void clock.after(scenario.lingersMs ?? 0, end) }),
      });
      if (first) tamper(pair, scenario, destination);
      if (scenario.lacks !== undefined) leaveOut(pair.a, scenario.lacks);
      countPages(pair.a, links.length, pagesFrames);
      links.push(pair);
      sessions.greet(pair.b);
      return pair.a;
    },
    clock: scenario.timersLateMs === undefined ? clock : lateClock(clock, scenario.timersLateMs),
    options: resolveOptions({
      maxDowntimeMs: 100,
      shadowBytes: 1 << 20,
      baseCacheBytes: 0,
      maxOutageMs: 2000,
      ...scenario.options,
    }),
    emit: (event) => events.push(event),
    random: randomBytes,
    startThread: threads,
  });
  let report: MigrationReport | undefined;
  let failure: string | undefined;
  driver.done.then(
    (value) => {
      report = value;
    },
    (error: FerryError) => {
      failure = error.code;
    },
  );
  driver.start();
  const session = (): ReturnType<typeof sessions.get> =>
    sessions.get(Buffer.from(driver.session).toString('hex'));
  const rested = (): boolean => {
    const phase = session()?.phase;
    const ended =
      phase === undefined || phase === 'running' || phase === 'aborted' || phase === 'start-failed';
    return ended && (report !== undefined || failure !== undefined);
  };
  if (scenario.operator !== undefined) {
    const { operator } = scenario;
    clock.after(10_000, () => {
      if (operator.source !== undefined) driver.resolve(operator.source);
      if (operator.destination !== undefined) session()?.resolve(operator.destination);
    });
  }
  await clock.run(scenario.horizonMs ?? longestMs, rested, check);
  const endMs = clock.now();
  // The survivor goes on writing: what it has must still be what was written.
  await clock.run(endMs + 30, () => false, check);

  const last = survivor();
  if (last !== undefined && !sameBytes(last.bytes(), bytesOf(expected))) {
    violations.push('memory is not what was written');
  }
  if (report !== undefined && !running.destination)
    violations.push('completed, but the destination does not run');
  const stated = driver.phase === 'in-doubt' || session()?.phase === 'ready';
  if (last === undefined && !stated) violations.push('neither runs, and nobody says why');
  if (failure !== undefined && !running.source && scenario.operator === undefined)
    violations.push(`failed (${failure}), but the source does not run`);
  return {
    deliveredBytes: links[scenario.cutConnection ?? 0]?.deliveredBytes ?? 0,
    delivered: links.map(({ deliveredBytes }) => deliveredBytes),
    source: running.source ? 'running' : 'paused',
    destination: running.destination ? 'running' : 'stopped',
    sourcePhase: driver.phase,
    destinationPhase: session()?.phase ?? 'none',
    completed: report !== undefined,
    failure,
    report,
    events,
    pauses,
    retreats: events.filter(({ type }) => type === 'retreated').length,
    pagesFrames,
    workerNews: threads.news(),
    untouched: sameBytes(destination.bytes().subarray(0, rubbish.byteLength), rubbish),
    violations,
    virtualMs: endMs,
    slowedBy: source.slowedBy,
    slowings: source.slowings,
  };
}

/** Counts the frames of pages that leave on `channel`. */
function countPages(channel: Channel, connection: number, counts: number[]): void {
  const send = channel.send.bind(channel);
  counts[connection] = 0;
  channel.send = (frame, released) => {
    if (frame[3] === messageType.PAGES) counts[connection] = (counts[connection] ?? 0) + 1;
    return send(frame, released);
  };
}

/** A clock whose timers are starved: they fire `ms` later than they should. */
function lateClock(clock: VirtualClock, ms: number): Clock {
  return {
    now: () => clock.now(),
    turn: () => clock.turn(),
    after: (delayMs, callback) => clock.after(delayMs + ms, callback),
  };
}

/** Zero, filled, sparse and dense pages in turn. */
function firstImage(pages: number, sparse: boolean, random: () => number): Uint8Array {
  const image = new Uint8Array(pages * pageBytes);
  for (let page = 0; page < pages; page++) {
    if (sparse && page % 64 > 2) continue;
    const bytes = image.subarray(page * pageBytes, (page + 1) * pageBytes);
    if (page % 4 === 1) bytes.fill(random() & 0xff);
    if (page % 4 === 2) for (let i = 0; i < 20; i++) bytes[random() % pageBytes] = random() & 0xff;
    if (page % 4 === 3) for (let i = 0; i < pageBytes; i++) bytes[i] = random() & 0xff;
  }
  return image;
}
