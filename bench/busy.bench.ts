import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Pump } from '../src/guests/pump.js';
import { type BufferGuest, bufferGuest } from '../src/index.js';
import { type BusyThread, busyWord } from './busy-thread.js';
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

/** On the engine's thread, with marks or compared with a shadow; or on a thread of its own. */
const kinds = ['marks', 'compare', 'own-thread'] as const;

export const suite: Suite = {
  question:
    'What does a guest that would use all of a thread get done while it is moved, and how late do timers of the engine fire?',
  async *run() {
    using destination = await startDestination({ kind: 'memory' });
    for (const kind of kinds) {
      const before: Measured[] = [];
      const during: Measured[] = [];
      for (let round = 0; round < rounds; round++) {
        const busy = kind === 'own-thread' ? onOwnThread() : onThisThread(kind);
        await busy.guest.resume();
        before.push(await measured(busy, sleep(aloneMs)));
        const moving = transfer(busy.guest, destination);
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
  readonly guest: BufferGuest;
  /** Resolves when it is to stop for the last round. */
  readonly paused: Promise<void>;
  pieces(): number;
  end(): Promise<unknown>;
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

function onThisThread(tracker: 'marks' | 'compare'): Busy {
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

function onOwnThread(): Busy {
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

function later(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
