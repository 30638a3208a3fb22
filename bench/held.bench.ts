import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bufferGuest, migrate } from '../src/index.js';
import { type Destination, startDestination } from './destination.js';
import { ofRounds, type Result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { installed, shell } from './programs.js';

const mebibytes = 256;
const pageBytes = 4096;
/** One page in so many differs, in three bytes. */
const everyPages = 100;
const rounds = 5;

interface Cost {
  readonly bytes: number;
  readonly ms: number;
}

export const suite: Suite = {
  question:
    'What does a destination cost that holds an older image of 256 MiB, of which one page in a hundred differs in three bytes: bytes the source sends, and time?',
  async *run(): AsyncGenerator<Result> {
    using destination = await startDestination({ kind: 'memory', held: true });
    const folder = mkdtempSync(join(tmpdir(), 'pageferry-held-'));
    try {
      yield* compare(destination, folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

async function* compare(destination: Destination, folder: string): AsyncGenerator<Result> {
  const image = makeImage(mebibytes * 2 ** 20, 0);
  const hasRsync = installed('rsync');
  const here = join(folder, 'image');
  const there = join(folder, 'copy');
  writeFileSync(there, image);
  const whole = await cross(image, destination);
  const ours: Cost[] = [];
  const theirs: Cost[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (let at = round * 50; at < image.byteLength; at += everyPages * pageBytes) {
      image.fill(round, at, at + 3);
    }
    ours.push(await cross(image, destination));
    if (!hasRsync) continue;
    writeFileSync(here, image);
    theirs.push(await synchronise(here, there));
  }
  yield costs('link/held-bytes', 'bytes', (cost) => cost.bytes, { ours, theirs, whole });
  yield costs('link/held-time', 'ms', (cost) => cost.ms, { ours, theirs, whole });
}

function costs(
  name: string,
  unit: string,
  of: (cost: Cost) => number,
  { ours, theirs, whole }: { ours: Cost[]; theirs: Cost[]; whole: Cost },
): Result {
  const peers: Record<string, number[]> = { 'all of it': ours.map(() => of(whole)) };
  if (theirs.length > 0) peers['rsync --no-whole-file'] = theirs.map(of);
  return ofRounds(name, unit, 'lower', ours.map(of), peers);
}

async function cross(image: Uint8Array, { port }: Destination): Promise<Cost> {
  const guest = bufferGuest(image, { tracker: 'marks', handsOver: false });
  const from = performance.now();
  const { bytesSent } = await migrate(guest, {
    ...{ host: '127.0.0.1', port },
    ...{ settle: 'first', cpuShare: 1, compression: 'never' },
  }).done;
  return { bytes: bytesSent, ms: performance.now() - from };
}

/** Beside the copy's folder, not over a network: its sender and receiver are two processes on a pipe. */
async function synchronise(here: string, there: string): Promise<Cost> {
  const from = performance.now();
  const told = await shell(
    `rsync --no-whole-file --ignore-times --inplace --stats ${here} ${there}`,
  );
  const ms = performance.now() - from;
  const sent = /Total bytes sent: ([\d,.]+)/.exec(told)?.[1] ?? '';
  return { bytes: Number(sent.replaceAll(/[,.]/g, '')), ms };
}
