import { EventEmitter, once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Pump } from '../src/guests/pump.js';
import { type BufferGuest, bufferGuest, RegionMarks } from '../src/index.js';
import { type BusyEngine, type BusyThread, busyWord, type EngineNews } from './busy-thread.js';
import { BusyWork } from './busy-work.js';
import { startDestination } from './destination.js';
import { ofRounds, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { transfer } from './transfer.js';

const imageBytes = 64 * 2 ** 20;
const rounds = 7;
const aloneMs = 500;
/** The histogram counts from one timer to the next, so a timer that is never late counts as this. */
const resolutionMs = 1;

/** On the engine's thread, with marks or compared with a shadow; on a thread of its own; or the engine is. */
const kinds = ['marks', 'compare', 'own-thread', 'engine-thread'] as const;

export const suite: Suite = {
  question:
    'What does a guest that would use all of a thread get done while it is moved, and how late do timers of the engine fire?',
  async *run() {
    using destination = await startDestination({ kind: 'memory' });
    for (const kind of kinds) {
      const before: Measured[] = [];
      const during: Measured[] = [];
      for (let round = 0; round < rounds; round++) {
        const busy = await start(kind);
        before.push(await measured(busy, sleep(aloneMs)));
        const moving = busy.move(destination.port);
        during.push(await measured(busy, busy.paused));
        await moving;
        await busy.end();
      }
      const work = (all: readonly Measured[]) => all.map(({ piecesPerSecond }) => piecesPerSecond);
      const late = (all: readonly Measured[]) => all.map(({ lateMs }) => lateMs);
      yield ofRounds(`busy/${kind}-work`, 'pieces/s', 'higher', work(during), {
        before: work(before),
      });
      yield ofRounds(`busy/${kind}-timers-late-p99`, 'ms', 'lower', late(during), {
        before: late(before),
      });
    }
  },
};

interface Measured {
  readonly piecesPerSecond: number;
  /** So late fires one timer in a hundred. */
  readonly lateMs: number;
}

/** A guest that never rests. */
interface Busy {
  move(port: number): Promise<unknown>;
  /** Resolves when it is to stop for the last round. */
  readonly paused: Promise<void>;
  pieces(): number;
  end(): Promise<unknown>;
}

async function start(kind: (typeof kinds)[number]): Promise<Busy> {
  if (kind === 'engine-thread') return besideEngine();
  const busy = kind === 'own-thread' ? onOwnThread() : onThisThread(kind);
  await busy.guest.resume();
  return { ...busy, move: (port) => transfer(busy.guest, { port }) };
}

async function measured(busy: Busy, until: Promise<void>): Promise<Measured> {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  delays.enable();
  const from = performance.now();
  const pieces = busy.pieces();
  await until;
  delays.disable();
  return {
    piecesPerSecond: ((busy.pieces() - pieces) / (performance.now() - from)) * 1000,
    lateMs: delays.percentile(99) / 1e6 - resolutionMs,
  };
}

function newImage(): Uint8Array {
  return makeImage(imageBytes, 0.4, 16);
}

/** Where the engine runs on the guest's thread, or at least the guest is an object there. */
type BusyGuest = Omit<Busy, 'move'> & { readonly guest: BufferGuest };

function onThisThread(tracker: 'marks' | 'compare'): BusyGuest {
  const bytes = newImage();
  const work = new BusyWork(bytes.buffer);
  const { promise: paused, resolve: onPaused } = later();
  let pieces = 0;
  const pump = new Pump(
    () => {
      guest.markDirty(work.piece(), 4);
      pieces += 1;
    },
    { stepsPerTurn: 1 },
  );
  const guest = bufferGuest(bytes, {
    tracker,
    pause() {
      onPaused();
      pump.stop();
    },
    resume: () => pump.start(),
  });
  return { guest, paused, pieces: () => pieces, end: async () => {} };
}

function onOwnThread(): BusyGuest {
  const memory = new SharedArrayBuffer(imageBytes);
  new Uint8Array(memory).set(newImage());
  const control = new SharedArrayBuffer(8);
  const words = new Int32Array(control);
  const workerData: BusyThread = { memory, control };
  const worker = new Worker(new URL('./busy-worker.js', import.meta.url), { workerData });
  const { promise: paused, resolve: onPaused } = later();
  let waits = once(worker, 'message');
  const guest = bufferGuest(memory, {
    tracker: 'compare',
    async pause() {
      onPaused();
      Atomics.store(words, busyWord.running, 0);
      await waits;
    },
    async resume() {
      await waits;
      waits = once(worker, 'message');
      Atomics.store(words, busyWord.running, 1);
      Atomics.notify(words, busyWord.running);
    },
  });
  const pieces = (): number => Atomics.load(words, busyWord.pieces);
  return { guest, paused, pieces, end: () => worker.terminate() };
}

async function besideEngine(): Promise<Busy> {
  const memory = new SharedArrayBuffer(imageBytes);
  new Uint8Array(memory).set(newImage());
  const work = new BusyWork(memory);
  const workerData: BusyEngine = { memory };
  const worker = new Worker(new URL('./busy-engine-worker.js', import.meta.url), { workerData });
  const heard = new EventEmitter<Record<EngineNews['says'], [EngineNews]>>();
  worker.on('message', (news: EngineNews) => heard.emit(news.says, news));
  const [news] = await once(heard, 'marks');
  const marks = new RegionMarks(news.marks);
  let pieces = 0;
  const pump = new Pump(
    () => {
      marks.mark(work.piece(), 4);
      pieces += 1;
    },
    { stepsPerTurn: 1 },
  );
  const paused = once(heard, 'stop').then(() => {
    pump.stop();
    worker.postMessage('stopped');
  });
  pump.start();
  return {
    paused,
    pieces: () => pieces,
    async move(port) {
      worker.postMessage(port);
      await once(heard, 'moved');
    },
    end: () => worker.terminate(),
  };
}

function later(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
