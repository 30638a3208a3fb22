import type { FerryError } from '../../src/errors.js';
import { sleep } from '../../src/migration/clock.js';
import type { MigrationEvent, MigrationReport } from '../../src/migration/events.js';
import { resolveOptions } from '../../src/migration/options.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import { messageType } from '../../src/protocol/messages.js';
import type { Channel } from '../../src/transport/channel.js';
import { crewThreads } from '../reference/crew-threads.js';
import { Random } from '../reference/random.js';
import { drawImage, keepPages, Leftovers, noise } from './images.js';
import { SimLinks } from './links.js';
import { memoryJournal } from './memory-journal.js';
import { freshMemory, type MemorySupply } from './memory-supply.js';
import { SimProcess } from './process.js';
import type { Crash, Outcome, Scenario } from './scenario.js';
import { bytesOf, type GrowingMemory, SimGuest, sameBytes } from './sim-guest.js';
import { leaveOut, tamper } from './tamper.js';
import { VirtualClock } from './virtual-clock.js';

export type { Outcome, Scenario } from './scenario.js';

/** One life of the destination. */
interface Destination {
  readonly process: SimProcess;
  readonly guest: SimGuest;
  readonly sessions: Sessions;
  readonly memory: GrowingMemory;
}

const pageBytes = 4096;
const longestMs = 60_000;
/** The longest a worker takes to be heard, virtual milliseconds. */
const workersMs = 0.5;

/** Runs one migration until both sides rest, then lets the survivor write on for a while. */
export async function simulate(
  scenario: Scenario,
  supply: MemorySupply = freshMemory,
): Promise<Outcome> {
  const clock = new VirtualClock();
  const random = new Random(scenario.seed);
  const randomBytes = (bytes: number): Uint8Array => noise(random, bytes);
  const violations: string[] = [];
  const running = { source: true, destination: false };
  const maxPages = scenario.pages * 2;
  const { connections = 1, workers = 0 } = scenario.options ?? {};
  /** Memory that may grow, as a WebAssembly.Memory does: the bytes are read anew each time. */
  const memory = (isShared = false): GrowingMemory => ({
    buffer: supply.buffer(maxPages * pageBytes, isShared),
    byteLength: scenario.pages * pageBytes,
  });

  const expected = memory();
  drawImage(bytesOf(expected), scenario.sparse === true, random);
  const image = memory(workers > 0);
  bytesOf(image).set(bytesOf(expected));
  const state = randomBytes(scenario.stateBytes ?? 0);
  const leftovers = new Leftovers(scenario.fresh === true, image.byteLength, random);
  const pauses: number[] = [];
  let attempts = 0;
  let pausedAt = 0;
  const write = (guest: SimGuest): void => {
    if (scenario.writesPages === true) {
      const page = random.below(expected.byteLength / pageBytes) * pageBytes;
      const content = randomBytes(pageBytes);
      guest.fill(page, content);
      bytesOf(expected).set(content, page);
      return;
    }
    const offset = random.below(expected.byteLength);
    const value = random.u32() & 0xff;
    guest.write(offset, value);
    bytesOf(expected)[offset] = value;
  };
  const sourceProcess = new SimProcess(clock, scenario.timersLateMs);
  const source = new SimGuest(image, scenario.tracker, {
    running: (runs) => {
      if (!sourceProcess.isAlive) return;
      if (runs && !running.source) pauses.push(clock.now() - pausedAt);
      if (runs && starts > 0) violations.push('runs again at the source although it was started');
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
  /** How often the guest was started at the destination. */
  let starts = 0;
  const arrived = (guest: SimGuest): void => {
    starts += 1;
    if (starts > 1) violations.push('started twice');
    pauses.push(clock.now() - pausedAt);
    if (!sameBytes(guest.bytes(), bytesOf(expected)))
      violations.push('started with other memory than the source wrote');
    if (Buffer.compare(guest.state, state) !== 0) violations.push('started with another state');
  };
  const journal = memoryJournal();
  /** Memory of a destination as it was at first. */
  const untouched = (): GrowingMemory => {
    const before = memory();
    leftovers.fill(bytesOf(before));
    return before;
  };
  /** A destination's process, with a guest to be filled; `isHeld`: what there is may be an older copy. */
  const startDestination = (before: GrowingMemory, isHeld: boolean): Destination => {
    const process = new SimProcess(clock);
    const guest: SimGuest = new SimGuest(before, scenario.tracker, {
      fresh: !isHeld && (scenario.fresh ?? false),
      held: () => isHeld,
      running: (runs) => {
        if (!process.isAlive) return;
        running.destination = runs;
        if (runs) arrived(guest);
      },
      loading: () => sleep(process, scenario.loadMs ?? 0),
      state: new Uint8Array(),
      rehearsable: scenario.rehearsable ?? false,
    });
    const sessions = new Sessions({
      accept: () => guest.guest,
      limits: {
        maxImageBytes: 1 << 30,
        maxStateBytes: 1 << 20,
        maxSessionBytes: scenario.maxSessionBytes,
      },
      clock: process,
      maxSessions: 4,
      maxConnections: scenario.maxConnections,
      maxOutageMs: scenario.destinationOutageMs ?? 4000,
      journal,
      emit: () => {},
      onArrival: () => {},
      onFailure: () => {},
    });
    return { process, guest, sessions, memory: before };
  };
  const first = untouched();
  const { heldOf16 } = scenario;
  if (heldOf16 !== undefined) keepPages(bytesOf(first), bytesOf(image), heldOf16);
  let destination = startDestination(first, heldOf16 !== undefined);
  const restart = (): void => {
    const keeps = scenario.keeps === true;
    destination = startDestination(keeps ? destination.memory : untouched(), keeps);
  };
  const check = (): void => {
    if (running.source && running.destination) violations.push(`both run at ${clock.now()} ms`);
  };

  const survivor = (): SimGuest | undefined =>
    running.destination ? destination.guest : running.source ? source : undefined;
  let owed = 0;
  const run = (): void => {
    const guest = survivor();
    if (guest !== undefined) owed += (scenario.writes?.(clock.now()) ?? 1) * (1 - guest.slowedBy);
    for (; guest !== undefined && owed >= 1; owed--) {
      write(guest);
      if (scenario.rehearsable === true && guest === source)
        state[random.below(state.length)] = random.u32();
      if (scenario.moves === true) {
        const bytes = 1 + random.below(Math.min(6000, expected.byteLength - 1));
        const from = random.below(expected.byteLength - bytes);
        const to = random.below(expected.byteLength - bytes);
        guest.move(from, to, bytes);
        bytesOf(expected).copyWithin(to, from, from + bytes);
      }
    }
    const isCalm = clock.now() >= (scenario.calmAfterMs ?? Number.POSITIVE_INFINITY);
    clock.after((scenario.writeEveryMs ?? 7) * (isCalm ? 10 : 1), run);
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

  const pagesFrames: number[] = [];
  const events: MigrationEvent[] = [];
  const restartMs = scenario.crash?.restartMs ?? scenario.turn?.restartMs;
  let crashed: Outcome['crashed'];
  const links = new SimLinks(scenario, clock, (side) => {
    // One is enough.
    if (crashed !== undefined) return;
    end(side);
    if (side === 'destination' && restartMs !== undefined) clock.after(restartMs, restart);
  });
  const end = (side: Crash['side']): void => {
    crashed = side;
    running[side] = false;
    (side === 'source' ? sourceProcess : destination.process).die();
    links.lose(side);
  };
  const { pairs } = links;
  const workerMs = (): number => workersMs * (random.u32() / 2 ** 32);
  const threads = crewThreads(() => sleep(sourceProcess, workerMs()), scenario.workerLostAt);
  const driver = new SourceDriver({
    guest: source.guest,
    connect: async () => {
      if (!sourceProcess.isAlive) return new Promise<Channel>(() => {});
      if (pairs.length >= connections && scenario.staysCut === true) throw new Error('no link');
      // One that runs the guest would take it along.
      if (!running.destination && scenario.restarts?.includes(pairs.length) === true) {
        end('destination');
        restart();
      }
      if (!destination.process.isAlive) throw new Error('nobody listens');
      const pair = links.open();
      tamper(pair, pairs.length - 1, scenario, destination.guest);
      if (scenario.lacks !== undefined) leaveOut(pair.a, scenario.lacks);
      countPages(pair.a, pairs.length - 1, pagesFrames);
      destination.sessions.greet(pair.b);
      return pair.a;
    },
    clock: sourceProcess,
    options: resolveOptions({
      maxDowntimeMs: 100,
      shadowBytes: 1 << 20,
      baseCacheBytes: 0,
      maxOutageMs: 2000,
      ...scenario.options,
    }),
    emit: (event) => {
      if (sourceProcess.isAlive) events.push(event);
    },
    random: randomBytes,
    startThread: threads,
  });
  let report: MigrationReport | undefined;
  let failure: string | undefined;
  driver.done.then(
    (value) => {
      if (sourceProcess.isAlive) report = value;
    },
    (error: FerryError) => {
      if (sourceProcess.isAlive) failure = error.code;
    },
  );
  driver.start();
  const id = Buffer.from(driver.session).toString('hex');
  const session = (): ReturnType<Sessions['get']> =>
    destination.process.isAlive ? destination.sessions.get(id) : undefined;
  const rested = (): boolean => {
    if (report === undefined && failure === undefined && sourceProcess.isAlive) return false;
    const phase = session()?.phase;
    return (
      phase === undefined || phase === 'running' || phase === 'aborted' || phase === 'start-failed'
    );
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
  // What ran in a process that ended is no more; a destination's journal may say that it ran.
  if (report !== undefined && !running.destination && crashed !== 'destination')
    violations.push('completed, but the destination does not run');
  const stated = driver.phase === 'in-doubt' || session()?.phase === 'ready';
  const isGone = crashed === 'source' || (crashed === 'destination' && report !== undefined);
  if (last === undefined && !stated && !isGone)
    violations.push('neither runs, and nobody says why');
  // One that failed and crashed later, at what a connection still delivered, ran until then.
  const ranOn = running.source || crashed === 'source';
  if (failure !== undefined && !ranOn && scenario.operator === undefined)
    violations.push(`failed (${failure}), but the source does not run`);
  return {
    deliveredBytes: pairs[scenario.cutConnection ?? 0]?.deliveredBytes ?? 0,
    delivered: pairs.map(({ deliveredBytes }) => deliveredBytes),
    source: running.source ? 'running' : 'paused',
    destination: running.destination ? 'running' : 'stopped',
    sourcePhase: driver.phase,
    destinationPhase: session()?.phase ?? 'none',
    crashed,
    completed: report !== undefined,
    failure,
    report,
    events,
    pauses,
    retreats: events.filter(({ type }) => type === 'retreated').length,
    pagesFrames,
    workerNews: threads.news(),
    untouched: starts === 0 && leftovers.areIn(destination.guest.bytes()),
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
