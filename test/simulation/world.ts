import { bufferGuest, type BufferGuest } from '../../src/guests/buffer.js';
import { resolveOptions, type MigrateOptions } from '../../src/migration/options.js';
import type { FerryError } from '../../src/errors.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import { memoryPair, type MemoryPair } from '../../src/transport/memory-pair.js';
import { VirtualClock } from './virtual-clock.js';

/** One migration in virtual time, over the product's own machines, drivers, engines, framer and messages. */
export interface Scenario {
  readonly seed: number;
  readonly pages: number;
  readonly tracker: 'marks' | 'hash' | 'compare';
  /** Cut the link once so many bytes, both ways together, have arrived; it can be made again at once. */
  readonly cutAfterBytes?: number;
  /** Flip this bit of the bytes that arrive at the destination (or the source). */
  readonly options?: MigrateOptions;
  /** Virtual milliseconds between two writes of the guest. */
  readonly writeEveryMs?: number;
  /** Never make the link again after the cut. */
  readonly staysCut?: boolean;
}

export interface Outcome {
  readonly deliveredBytes: number;
  readonly source: 'running' | 'paused';
  readonly destination: 'running' | 'stopped';
  readonly sourcePhase: string;
  readonly destinationPhase: string;
  readonly completed: boolean;
  readonly failure: string | undefined;
  /** What must never be: in words, empty if all is well. */
  readonly violations: readonly string[];
  readonly virtualMs: number;
}

const pageBytes = 4096;
const latencyMs = 0.1;
const horizonMs = 60_000;

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

export async function simulate(scenario: Scenario): Promise<Outcome> {
  const clock = new VirtualClock();
  const random = randomFrom(scenario.seed);
  const randomBytes = (bytes: number): Uint8Array =>
    Uint8Array.from({ length: bytes }, () => random() & 0xff);
  const violations: string[] = [];
  const running = { source: true, destination: false };

  const expected = firstImage(scenario.pages, random);
  const sourceMemory = new Uint8Array(expected);
  const destinationMemory = new Uint8Array(expected.byteLength);
  const source: BufferGuest = bufferGuest(sourceMemory, {
    tracker: scenario.tracker,
    pause: () => {
      running.source = false;
    },
    resume: () => {
      running.source = true;
    },
  });
  const destination = bufferGuest(destinationMemory, {
    tracker: scenario.tracker,
    resume: () => {
      running.destination = true;
      if (Buffer.compare(destinationMemory, expected) !== 0) {
        violations.push('started with other memory than the source wrote');
      }
    },
  });
  const check = (): void => {
    if (running.source && running.destination) violations.push(`both run at ${clock.now()} ms`);
  };

  const write = (): void => {
    const offset = random() % expected.byteLength;
    const value = random() & 0xff;
    const memory = running.destination
      ? destinationMemory
      : running.source
        ? sourceMemory
        : undefined;
    if (memory !== undefined) {
      memory[offset] = value;
      expected[offset] = value;
      if (memory === sourceMemory) source.markDirty(offset, 1);
    }
    clock.after(scenario.writeEveryMs ?? 7, write);
  };
  clock.after(1, write);

  let arrived: string | undefined;
  const sessions = new Sessions({
    accept: () => destination,
    limits: { maxImageBytes: 1 << 30, maxStateBytes: 1 << 20 },
    clock,
    maxSessions: 4,
    emit: () => {},
    onArrival: ({ session }) => {
      arrived = session;
    },
    onFailure: () => {},
  });
  const links: MemoryPair[] = [];
  const driver = new SourceDriver({
    guest: source,
    connect: async () => {
      if (links.length > 0 && scenario.staysCut === true) throw new Error('no link');
      const pair = memoryPair({
        schedule: (task) => void clock.after(latencyMs, task),
        ...(links.length === 0 && scenario.cutAfterBytes !== undefined
          ? { cutAfterBytes: scenario.cutAfterBytes }
          : {}),
      });
      links.push(pair);
      sessions.greet(pair.b);
      return pair.a;
    },
    clock,
    options: resolveOptions({
      maxDowntimeMs: 100,
      shadowBytes: 1 << 20,
      baseCacheBytes: 0,
      ...scenario.options,
    }),
    emit: () => {},
    random: randomBytes,
  });
  let completed = false;
  let failure: string | undefined;
  let settled = false;
  driver.done.then(
    () => {
      completed = settled = true;
    },
    (error: FerryError) => {
      failure = `${error.code}: ${error.message}`;
      settled = true;
    },
  );
  driver.start();
  const session = (): ReturnType<typeof sessions.get> =>
    sessions.get(Buffer.from(driver.session).toString('hex'));
  const rested = (): boolean => {
    const phase = session()?.phase;
    return (
      settled &&
      (phase === undefined ||
        phase === 'running' ||
        phase === 'aborted' ||
        phase === 'start-failed')
    );
  };
  await clock.run(horizonMs, rested, check);
  // The survivor goes on writing: what it has must still be what was written.
  const endMs = clock.now();
  await clock.run(endMs + 50, () => false, check);

  const survivor = running.destination ? destinationMemory : sourceMemory;
  if (Buffer.compare(survivor, expected) !== 0) violations.push('memory is not what was written');
  if (completed && (!running.destination || arrived === undefined)) {
    violations.push('completed, but the destination does not run');
  }
  const stated = driver.phase === 'in-doubt' || session()?.phase === 'ready';
  if (!running.source && !running.destination && !stated)
    violations.push('neither runs, and nobody says why');
  if (failure !== undefined && !running.source)
    violations.push(`failed (${failure}), but the source does not run`);
  return {
    deliveredBytes: links[0]?.deliveredBytes ?? 0,
    source: running.source ? 'running' : 'paused',
    destination: running.destination ? 'running' : 'stopped',
    sourcePhase: driver.phase,
    destinationPhase: session()?.phase ?? 'none',
    completed,
    failure,
    violations,
    virtualMs: endMs,
  };
}

/** Zero, filled, sparse and dense pages in turn. */
function firstImage(pages: number, random: () => number): Uint8Array {
  const image = new Uint8Array(pages * pageBytes);
  for (let page = 0; page < pages; page++) {
    const bytes = image.subarray(page * pageBytes, (page + 1) * pageBytes);
    if (page % 4 === 1) bytes.fill(random() & 0xff);
    if (page % 4 === 2) for (let i = 0; i < 20; i++) bytes[random() % pageBytes] = random() & 0xff;
    if (page % 4 === 3) for (let i = 0; i < pageBytes; i++) bytes[i] = random() & 0xff;
  }
  return image;
}
