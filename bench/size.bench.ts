import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DestinationJob, startDestination } from './destination.js';
import { median, ofRounds, type Result, result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { runSource, type SourceJob, zeroShare } from './source.js';

const gibibyte = 2 ** 30;
const rounds = 5;
/** Of memory; the rest is zero. */
const dataShare = 1 - zeroShare;
const options: SourceJob['options'] = { settle: 'first', cpuShare: 1 };
/** Of a sparse file, in pieces of so much, evenly spread. */
const dataBytes: number = gibibyte;
const pieceBytes: number = 4 * 2 ** 20;

/** One thing to be moved. */
interface Load {
  readonly gibibytes: number;
  readonly job: DestinationJob;
  readonly from: SourceJob['from'];
  readonly dataGibibytes: number;
  /** What of the data is resident at the destination, if it is. */
  readonly isResident: boolean;
}

interface Moved {
  readonly secondsPerGibibyte: number;
  /** The most that was resident beside the data. */
  readonly sourceMebibytes: number;
  readonly destinationMebibytes: number;
}

export const suite: Suite = {
  question:
    'Does the time for a GiB of data stay what it is as memory grows (60 % of it data) and as one GiB lies in ever longer files, and what memory does that take?',
  async *run() {
    yield* series('memory', [1, 2, 4].filter(hasMemoryFor).map(memoryLoad));
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pageferry-'));
    try {
      yield* series('file', [1, 8, 32].filter(hasRoomFor(folder)).map(fileLoad(folder)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** Everything is moved once a round, each time by processes of its own, cold. */
async function* series(name: string, loads: readonly Load[]): AsyncGenerator<Result> {
  const moves = loads.map((): Moved[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, load] of loads.entries()) moves[index]?.push(await moved(load));
  }
  const times = moves.map((all) => all.map(({ secondsPerGibibyte }) => secondsPerGibibyte));
  const [smallest = []] = times;
  for (const [index, { gibibytes }] of loads.entries()) {
    const what = `size/${name}-${gibibytes}GiB`;
    const peers = index === 0 ? {} : { '1 GiB': smallest };
    yield ofRounds(what, 's/GiB', 'lower', times[index] ?? [], peers);
    for (const end of ['source', 'destination'] as const) {
      const most = median((moves[index] ?? []).map((each) => each[`${end}Mebibytes`]));
      yield result(`${what}-memory-${end}`, 'MiB', 'lower', most, {});
    }
  }
}

async function moved({ job, from, dataGibibytes, isResident }: Load): Promise<Moved> {
  using place = await startDestination(job);
  const news = await runSource({ to: { port: place.port }, from, options });
  const there = await place.arrival(news.session);
  if (job.kind === 'file') rmSync(job.path);
  const held = isResident ? dataGibibytes * gibibyte : 0;
  return {
    secondsPerGibibyte: news.fromOfferMs / 1000 / dataGibibytes,
    sourceMebibytes: (news.peakBytes - held) / 2 ** 20,
    destinationMebibytes: (there.peakBytes - held) / 2 ** 20,
  };
}

function memoryLoad(gibibytes: number): Load {
  return {
    gibibytes,
    job: { kind: 'memory' },
    from: { kind: 'memory', regions: gibibytes, regionBytes: gibibyte },
    dataGibibytes: dataShare * gibibytes,
    isResident: true,
  };
}

function fileLoad(folder: string): (gibibytes: number) => Load {
  return (gibibytes) => {
    const path = join(folder, `sparse-${gibibytes}`);
    writeSparse(path, gibibytes * gibibyte);
    return {
      gibibytes,
      job: { kind: 'file', path: join(folder, 'copy') },
      from: { kind: 'file', path },
      dataGibibytes: 1,
      isResident: false,
    };
  };
}

/** The data twice, and what both processes need beside it. */
function hasMemoryFor(gibibytes: number): boolean {
  const isThere = freemem() > (2 * dataShare * gibibytes + 1) * gibibyte;
  if (!isThere) console.error(`  skipped: memory of ${gibibytes} GiB: too little is free`);
  return isThere;
}

/** Three files of one GiB each, and a copy of one, which may all lie in memory. */
function hasRoomFor(folder: string): (gibibytes: number) => boolean {
  const { bavail, bsize } = statfsSync(folder);
  const isThere = bavail * bsize > 4.5 * gibibyte && freemem() > 6 * gibibyte;
  return (gibibytes) => {
    if (!isThere) console.error(`  skipped: a file of ${gibibytes} GiB: too little room`);
    return isThere;
  };
}

function writeSparse(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, bytes);
    const piece = makeImage(pieceBytes, 0);
    const pieces = dataBytes / pieceBytes;
    for (let at = 0; at < pieces; at++) {
      // No two are the same.
      new DataView(piece.buffer).setUint32(0, at);
      writeSync(file, piece, 0, pieceBytes, Math.floor((at * bytes) / pieces));
    }
  } finally {
    closeSync(file);
  }
}
